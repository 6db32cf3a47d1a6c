// SPDX-License-Identifier: GPL-3.0-or-later
// Every control has names and an edge, none answers to another's key, none takes a passing wheel.
#include "core/spec/base/atomic_file.h"
#include "tests/ui/window_fixture.h"
#include "ui/theme/app_theme.h"

#include <QAbstractItemView>
#include <QAbstractSlider>
#include <QAbstractSpinBox>
#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QMap>
#include <QMenuBar>
#include <QPlainTextEdit>
#include <QScopeGuard>
#include <QScrollArea>
#include <QScrollBar>
#include <QSpinBox>
#include <QStackedWidget>
#include <QStyle>
#include <QTableView>
#include <QWheelEvent>

#include <cmath>

using namespace longlora;
using test::WindowFixture;

namespace {

bool isControl(const QWidget& widget)
{
    if (qobject_cast<const QScrollBar*>(&widget) != nullptr ||
        widget.objectName().startsWith(QLatin1String("qt_")) ||
        widget.inherits("QComboBoxPrivateContainer") || widget.inherits("QTableCornerButton") ||
        widget.inherits("QHeaderView") || widget.inherits("QComboBoxListView") ||
        widget.inherits("QMenu") || widget.inherits("QMenuBar")) {
        return false;
    }
    return qobject_cast<const QAbstractButton*>(&widget) != nullptr ||
           qobject_cast<const QAbstractSpinBox*>(&widget) != nullptr ||
           qobject_cast<const QAbstractSlider*>(&widget) != nullptr ||
           qobject_cast<const QAbstractItemView*>(&widget) != nullptr ||
           qobject_cast<const QComboBox*>(&widget) != nullptr ||
           qobject_cast<const QLineEdit*>(&widget) != nullptr ||
           qobject_cast<const QPlainTextEdit*>(&widget) != nullptr ||
           widget.focusPolicy() == Qt::StrongFocus;
}

/// Made by Qt inside a control, which has the names.
bool isOwnPart(const QWidget& widget)
{
    return widget.parentWidget() != nullptr &&
           (qobject_cast<const QAbstractSpinBox*>(widget.parentWidget()) != nullptr ||
            qobject_cast<const QLineEdit*>(widget.parentWidget()) != nullptr ||
            qobject_cast<const QComboBox*>(widget.parentWidget()) != nullptr ||
            widget.parentWidget()->inherits("QTableView"));
}

/// Relative luminance and contrast of the Web Content Accessibility Guidelines 2.1.
double luminance(const QColor& colour)
{
    const auto linear = [](double part) {
        return part <= 0.04045 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) +
           0.0722 * linear(colour.blueF());
}

double contrast(const QColor& one, const QColor& other)
{
    const auto [low, high] = std::minmax({luminance(one), luminance(other)});
    return (high + 0.05) / (low + 0.05);
}

/// Of the most visible pixel in the middle row of an empty control, which is its edge.
double edgeContrast(QWidget& control)
{
    control.resize(control.sizeHint());
    const QImage image = control.grab().toImage();
    const QColor window = control.palette().color(QPalette::Window);
    double best = 1.0;
    for (int x = 0; x < image.width(); ++x) {
        best = std::max(best, contrast(image.pixelColor(x, image.height() / 2), window));
    }
    return best;
}

/// One notch towards the user. Whether `under` took it, or left it to what is around it.
bool turnWheel(QWidget* under)
{
    const QPointF middle = under->rect().center();
    QWheelEvent event(middle, under->mapToGlobal(middle), {}, {0, -120}, Qt::NoButton,
                      Qt::NoModifier, Qt::NoScrollPhase, false);
    QApplication::sendEvent(under, &event);
    return event.isAccepted();
}

/// Wrapped text that has not all its lines, or an area that cannot scroll to its right end; empty:
/// there is none.
QString cutText(const WindowFixture& f)
{
    for (const QLabel* label : f.window->findChildren<QLabel*>()) {
        if (label->isVisible() && label->wordWrap() && !label->text().isEmpty() &&
            label->height() < label->heightForWidth(label->width())) {
            return label->text();
        }
    }
    for (const QScrollArea* area : f.window->findChildren<QScrollArea*>()) {
        if (area->isVisible() && area->horizontalScrollBarPolicy() == Qt::ScrollBarAlwaysOff &&
            area->widget()->width() > area->viewport()->width()) {
            return area->objectName();
        }
    }
    return {};
}

/// The first cell whose text has not the room that it takes, on as many lines as the row has;
/// empty: there is none.
QString cutCell(const QTableView& table)
{
    const int lines = table.rowHeight(0) / table.fontMetrics().height();
    const QSize room{table.columnWidth(0) -
                         2 * (table.style()->pixelMetric(QStyle::PM_FocusFrameHMargin) + 1),
                     table.rowHeight(0)};
    for (int row = 0; row < table.model()->rowCount(); ++row) {
        for (int column = 0; column < table.model()->columnCount(); ++column) {
            const QString text = table.model()->index(row, column).data().toString();
            const QRect needs = table.fontMetrics().boundingRect(
                QRect({}, room), lines > 1 ? int(Qt::TextWordWrap) : int(Qt::TextSingleLine), text);
            if (needs.width() > room.width() || needs.height() > room.height()) {
                return text;
            }
        }
    }
    return {};
}

} // namespace

class AccessibilityTest : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void everyControlIsNamed()
    {
        WindowFixture f;
        f.startDemoRun();
        f.fakes.training.finish();
        QTRY_VERIFY(f.canClick("monitorMerge"));
        int controls = 0;
        for (const QWidget* widget : f.window->findChildren<QWidget*>()) {
            if (!isControl(*widget) || isOwnPart(*widget)) {
                continue;
            }
            ++controls;
            const QByteArray who =
                widget->metaObject()->className() + QByteArray(" ") + widget->objectName().toUtf8();
            QVERIFY2(!widget->objectName().isEmpty(), who.constData());
            QVERIFY2(!widget->accessibleName().isEmpty(), who.constData());
        }
        QVERIFY(controls > 80);
    }

    void objectNamesAreUnique()
    {
        WindowFixture f;
        QMap<QString, int> names;
        for (const QWidget* widget : f.window->findChildren<QWidget*>()) {
            if (isControl(*widget) && !isOwnPart(*widget)) {
                ++names[widget->objectName()];
            }
        }
        for (auto name = names.cbegin(); name != names.cend(); ++name) {
            QVERIFY2(name.value() == 1, qPrintable(name.key()));
        }
    }

    void wrappedTextIsNotCutInASmallWindow()
    {
        WindowFixture f;
        f.window->resize(960, 560);
        writeFileAtomically(f.folder.path() / "tiny.gguf", "GGUF and more");
        f.window->openPath(f.demo() / "model");
        QTRY_VERIFY(f.canClick("configureCopyCommand") &&
                    f.window->currentPage() == ui::Page::Configure);
        f.window->openPath(f.folder.path() / "tiny.gguf");
        QTRY_VERIFY(f.find("importPanel")->isVisible());
        for (int page = 0; page < ui::kPageCount; ++page) {
            f.window->showPage(static_cast<ui::Page>(page));
            QTRY_COMPARE(cutText(f), QString());
        }
    }

    void nothingIsCutInTextOfTwiceTheSize()
    {
        const QFont usual = QApplication::font();
        const auto restored = qScopeGuard([&] { QApplication::setFont(usual); });
        QFont large = usual;
        large.setPointSizeF(2.0 * large.pointSizeF());
        QApplication::setFont(large);
        WindowFixture f;
        f.window->resize(1440, 900);
        f.startDemoRun();
        f.window->showPage(ui::Page::Configure);
        const auto* frontier =
            f.window->findChild<QTableView*>(QStringLiteral("configureFrontier"));
        QTRY_VERIFY(frontier->isVisible() && frontier->model()->rowCount() > 3);
        QTRY_COMPARE(cutText(f), QString());
        QTRY_COMPARE(cutCell(*frontier), QString());
    }

    void emptyControlsHaveAnEdgeInTheDark()
    {
        ui::applyTheme(ui::Theme::Dark);
        QCheckBox check;
        QLineEdit line;
        QSpinBox number;
        number.setSpecialValueText(QStringLiteral(" "));
        number.setButtonSymbols(QAbstractSpinBox::NoButtons);
        QPlainTextEdit text;
        for (QWidget* control : {static_cast<QWidget*>(&check), static_cast<QWidget*>(&line),
                                 static_cast<QWidget*>(&number), static_cast<QWidget*>(&text)}) {
            const double edge = edgeContrast(*control);
            QVERIFY2(edge >= 3.0,
                     qPrintable(QStringLiteral("%1: %2 to 1")
                                    .arg(QLatin1String(control->metaObject()->className()))
                                    .arg(edge)));
        }
        ui::applyTheme(ui::Theme::System);
    }

    void aWheelThatScrollsTheFormChangesNothing()
    {
        WindowFixture f;
        f.click("railConfigure");
        auto* rank = f.find<QSpinBox>("lora.rank");
        auto* kind = f.find<QComboBox>("attention.kind");
        f.window->setFocus();
        for (QWidget* under : {static_cast<QWidget*>(rank), static_cast<QWidget*>(kind)}) {
            QVERIFY(!turnWheel(under));
            QCOMPARE(under->focusPolicy(), Qt::StrongFocus);
        }
        QCOMPARE(rank->value(), 8);
        QCOMPARE(kind->currentIndex(), 0);
        rank->setFocus(Qt::MouseFocusReason);
        QVERIFY(turnWheel(rank));
        QVERIFY(rank->value() < 8);
    }

    void mnemonicsDoNotClashOnAPage()
    {
        WindowFixture f;
        const auto* stack = f.window->findChild<QStackedWidget*>();
        for (int page = 0; page < ui::kPageCount; ++page) {
            QMap<QString, QString> owners;
            const auto take = [&owners](const QString& text) {
                const QKeySequence key = QKeySequence::mnemonic(text);
                if (key.isEmpty()) {
                    return;
                }
                const QString letter = key.toString();
                QVERIFY2(!owners.contains(letter),
                         qPrintable(letter + QLatin1String(": ") + text + QLatin1String(" and ") +
                                    owners.value(letter)));
                owners.insert(letter, text);
            };
            for (const QAction* action : f.window->menuBar()->actions()) {
                take(action->text());
            }
            const QWidget* widget = stack->widget(page);
            for (const QAbstractButton* button : widget->findChildren<QAbstractButton*>()) {
                take(button->text());
            }
        }
    }
};

QTEST_MAIN(AccessibilityTest)
#include "accessibility_test.moc"
