// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/pickle/pickle_machine.h"

#include "core/engine/checkpoint/pickle/little_endian.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>

namespace longlora {

namespace {

constexpr std::size_t kMaxPickleBytes = std::size_t{32} << 20;
constexpr std::size_t kMaxTextBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxStack = 1'000'000;
constexpr std::size_t kMaxMemo = 1'000'000;
constexpr std::size_t kMaxValues = 4'000'000;
constexpr std::size_t kMaxDepth = 64;

} // namespace

void PickleMachine::refuseAt(std::size_t position, const std::string& what, std::string hint) const
{
    throw FormatError(m_pickle.file, fmt::format("offset {}", m_pickle.offset + position), what,
                      std::move(hint));
}

void PickleMachine::refuse(const std::string& what, std::string hint) const
{
    refuseAt(m_at, what, std::move(hint));
}

std::uint64_t PickleMachine::takeNumber(std::size_t width)
{
    return littleEndian(take(width), 0, width);
}

std::string_view PickleMachine::take(std::size_t count)
{
    if (m_bytes.size() - m_next < count) {
        refuse(fmt::format("the pickle ends here, where {} more bytes should follow", count));
    }
    m_next += count;
    return m_bytes.substr(m_next - count, count);
}

std::string_view PickleMachine::takeLine()
{
    const std::size_t end = m_bytes.substr(m_next, kMaxTextBytes).find('\n');
    if (end == std::string_view::npos) {
        refuse("a name does not end");
    }
    const std::string_view line = take(end + 1);
    return line.substr(0, end);
}

PickleMachine::Reference PickleMachine::make(Value value)
{
    if (m_values.size() >= kMaxValues) {
        refuse(fmt::format("more than {} values", kMaxValues));
    }
    value.where = static_cast<std::uint32_t>(m_at);
    m_values.push_back(std::move(value));
    return static_cast<Reference>(m_values.size() - 1);
}

void PickleMachine::push(Reference value)
{
    if (m_stack.size() >= kMaxStack) {
        refuse(fmt::format("more than {} values on the stack", kMaxStack));
    }
    m_stack.push_back(value);
}

void PickleMachine::requireOnStack(std::size_t count) const
{
    const std::size_t floor = m_marks.empty() ? 0 : m_marks.back();
    if (m_stack.size() - floor < count) {
        refuse("takes a value from an empty stack");
    }
}

PickleMachine::Reference PickleMachine::pop()
{
    requireOnStack(1);
    const Reference value = m_stack.back();
    m_stack.pop_back();
    return value;
}

void PickleMachine::requireKind(Reference value, Kind kind, const char* what) const
{
    if (at(value).kind != kind) {
        refuse(
            fmt::format("{} should be {}, not {}", what, kindName(kind), kindName(at(value).kind)));
    }
}

const PickleMachine::Value& PickleMachine::popOf(Kind kind, const char* what)
{
    const Reference value = pop();
    requireKind(value, kind, what);
    return at(value);
}

std::size_t PickleMachine::popMark()
{
    if (m_marks.empty()) {
        refuse("goes back to a mark that was not set");
    }
    const std::size_t mark = m_marks.back();
    m_marks.pop_back();
    return mark;
}

std::vector<PickleMachine::Reference> PickleMachine::popFrom(std::size_t start)
{
    const auto first = m_stack.begin() + static_cast<std::ptrdiff_t>(start);
    std::vector<Reference> items(first, m_stack.end());
    m_stack.erase(first, m_stack.end());
    return items;
}

std::uint8_t PickleMachine::depthOver(const std::vector<Reference>& items) const
{
    std::size_t depth = 1;
    for (const Reference item : items) {
        depth = std::max<std::size_t>(depth, at(item).depth + std::size_t{1});
    }
    if (depth > kMaxDepth) {
        refuse(fmt::format("nested deeper than {}", kMaxDepth));
    }
    return static_cast<std::uint8_t>(depth);
}

void PickleMachine::run()
{
    if (m_bytes.size() > kMaxPickleBytes) {
        refuse(fmt::format("a pickle of {} bytes is above the limit of {}", m_bytes.size(),
                           kMaxPickleBytes));
    }
    if (take(1)[0] != static_cast<char>(Opcode::Protocol)) {
        refuse("this is no pickle of protocol 2 or later");
    }
    if (const std::uint64_t version = takeNumber(1); version < 2 || version > 5) {
        refuse(fmt::format("protocol {} of pickle is not known", version));
    }
    for (;;) {
        m_at = m_next;
        const auto opcode = static_cast<Opcode>(static_cast<unsigned char>(take(1)[0]));
        if (opcode == Opcode::Stop) {
            break;
        }
        if (!runNumber(opcode) && !runText(opcode) && !runTuple(opcode) && !runCollection(opcode) &&
            !runMemo(opcode) && !runGlobal(opcode)) {
            refuse(fmt::format("{} is not among the instructions that tensors need",
                               describeOpcode(opcode)),
                   kHostileFileAdvice);
        }
    }
    if (m_stack.size() != 1 || !m_marks.empty()) {
        refuse(fmt::format("the pickle ends with {} values instead of one", m_stack.size()));
    }
    if (m_next != m_bytes.size()) {
        refuse(fmt::format("{} bytes follow the end of the pickle", m_bytes.size() - m_next));
    }
}

bool PickleMachine::runNumber(Opcode opcode)
{
    const auto integer = [&](std::int64_t number) {
        push({.kind = Kind::Integer, .number = number});
    };
    switch (opcode) {
    case Opcode::None:
        push(Value{});
        return true;
    case Opcode::True:
    case Opcode::False:
        push({.kind = Kind::Boolean, .number = opcode == Opcode::True ? 1 : 0});
        return true;
    case Opcode::Integer8:
        integer(static_cast<std::int64_t>(takeNumber(1)));
        return true;
    case Opcode::Integer16:
        integer(static_cast<std::int64_t>(takeNumber(2)));
        return true;
    case Opcode::Integer32:
        integer(static_cast<std::int32_t>(takeNumber(4)));
        return true;
    case Opcode::Long:
        pushLong();
        return true;
    case Opcode::Real:
        take(8);
        push({.kind = Kind::Real});
        return true;
    default:
        return false;
    }
}

/// A whole number of as many bytes as the first says, lowest first, in two's complement.
void PickleMachine::pushLong()
{
    const std::size_t width = takeNumber(1);
    if (width > sizeof(std::int64_t)) {
        refuse(fmt::format("a whole number of {} bytes is too large", width));
    }
    std::uint64_t number = takeNumber(width);
    const bool isNegative = width > 0 && (number >> (8 * width - 1) & 1) != 0;
    if (isNegative && width < sizeof(number)) {
        number |= ~std::uint64_t{0} << (8 * width);
    }
    push({.kind = Kind::Integer, .number = static_cast<std::int64_t>(number)});
}

bool PickleMachine::runText(Opcode opcode)
{
    switch (opcode) {
    case Opcode::Text8:
        pushText(1);
        return true;
    case Opcode::Text32:
        pushText(4);
        return true;
    case Opcode::Text64:
        pushText(8);
        return true;
    default:
        return false;
    }
}

void PickleMachine::pushText(std::size_t lengthBytes)
{
    const std::uint64_t length = takeNumber(lengthBytes);
    if (length > kMaxTextBytes) {
        refuse(fmt::format("a text of {} bytes is above the limit of {}", length, kMaxTextBytes));
    }
    push({.kind = Kind::Text, .text = take(length)});
}

bool PickleMachine::runTuple(Opcode opcode)
{
    switch (opcode) {
    case Opcode::Mark:
        if (m_marks.size() >= kMaxDepth) {
            refuse(fmt::format("nested deeper than {}", kMaxDepth));
        }
        m_marks.push_back(m_stack.size());
        return true;
    case Opcode::EmptyTuple:
        pushTuple(0);
        return true;
    case Opcode::Tuple1:
        pushTuple(1);
        return true;
    case Opcode::Tuple2:
        pushTuple(2);
        return true;
    case Opcode::Tuple3:
        pushTuple(3);
        return true;
    case Opcode::Tuple:
        pushTuple(m_stack.size() - popMark());
        return true;
    default:
        return false;
    }
}

void PickleMachine::pushTuple(std::size_t count)
{
    requireOnStack(count);
    Value tuple{.kind = Kind::Tuple};
    tuple.items = popFrom(m_stack.size() - count);
    tuple.depth = depthOver(tuple.items);
    push(std::move(tuple));
}

bool PickleMachine::runCollection(Opcode opcode)
{
    switch (opcode) {
    case Opcode::EmptyList:
        push({.kind = Kind::List, .depth = 1});
        return true;
    case Opcode::EmptyDict:
        push({.kind = Kind::Dict, .depth = 1});
        return true;
    case Opcode::Append:
    case Opcode::SetItem: {
        const std::size_t count = opcode == Opcode::Append ? 1 : 2;
        requireOnStack(count);
        append(m_stack.size() - count, opcode == Opcode::SetItem);
        return true;
    }
    case Opcode::Appends:
    case Opcode::SetItems:
        append(popMark(), opcode == Opcode::SetItems);
        return true;
    default:
        return false;
    }
}

/// Puts what stands above `start` into the list or dict below it.
void PickleMachine::append(std::size_t start, bool isDict)
{
    const std::vector<Reference> items = popFrom(start);
    requireOnStack(1); // the collection
    Value& collection = m_values[m_stack.back()];
    const bool fits = isDict ? collection.kind == Kind::Dict || collection.kind == Kind::OrderedDict
                             : collection.kind == Kind::List;
    if (!fits || (isDict && items.size() % 2 != 0)) {
        refuse(
            fmt::format("{} items cannot be added to {}", items.size(), kindName(collection.kind)));
    }
    collection.depth = std::max(collection.depth, depthOver(items));
    collection.items.insert(collection.items.end(), items.begin(), items.end());
}

bool PickleMachine::runMemo(Opcode opcode)
{
    switch (opcode) {
    case Opcode::Put8:
        remember(takeNumber(1));
        return true;
    case Opcode::Put32:
        remember(takeNumber(4));
        return true;
    case Opcode::Memoize:
        remember(m_memo.size());
        return true;
    case Opcode::Get8:
        recall(takeNumber(1));
        return true;
    case Opcode::Get32:
        recall(takeNumber(4));
        return true;
    case Opcode::Frame:
        take(8); // a hint for readers of streams
        return true;
    default:
        return false;
    }
}

void PickleMachine::remember(std::uint64_t key)
{
    if (m_stack.empty()) {
        refuse("remembers a value of an empty stack");
    }
    if (m_memo.size() >= kMaxMemo) {
        refuse(fmt::format("more than {} values are remembered", kMaxMemo));
    }
    m_memo[key] = m_stack.back();
}

void PickleMachine::recall(std::uint64_t key)
{
    const auto found = m_memo.find(key);
    if (found == m_memo.end()) {
        refuse(fmt::format("recalls value {}, which was not remembered", key));
    }
    push(found->second);
}

bool PickleMachine::runGlobal(Opcode opcode)
{
    switch (opcode) {
    case Opcode::Global: {
        const std::string_view module = takeLine();
        pushGlobal(module, takeLine());
        return true;
    }
    case Opcode::StackGlobal: {
        const std::string_view name = popOf(Kind::Text, "the name of a global").text;
        pushGlobal(popOf(Kind::Text, "the module of a global").text, name);
        return true;
    }
    case Opcode::PersistentId:
        pushStorage();
        return true;
    case Opcode::Reduce:
        call();
        return true;
    case Opcode::Build:
        build();
        return true;
    default:
        return false;
    }
}

} // namespace longlora
