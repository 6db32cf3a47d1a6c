// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/commands/stop_signals.h"

#include "app/commands/console.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace longlora::app {

namespace {

/// What the handlers act on; there is no other way to hand them anything.
std::atomic<RunControl*> g_control{nullptr};

constexpr int kEndedByInterrupt = 128 + SIGINT;

void onStop(int signal)
{
    RunControl* control = g_control.load();
    if (control == nullptr) {
        return;
    }
    if (signal == SIGINT && control->stopRequested()) {
        ::_exit(kEndedByInterrupt);
    }
    control->request(ControlRequest::Stop);
}

void onCheckpoint(int)
{
    if (RunControl* control = g_control.load()) {
        control->request(ControlRequest::Checkpoint);
    }
}

/// Without SA_RESTART: a read from the terminal ends when the user interrupts it.
void install(int signal, void (*handler)(int))
{
    struct sigaction action = {};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
}

} // namespace

StopSignals::StopSignals()
{
    g_control.store(&m_control);
    install(SIGINT, onStop);
    install(SIGTERM, onStop);
    install(SIGUSR1, onCheckpoint);
}

StopSignals::~StopSignals()
{
    install(SIGINT, SIG_DFL);
    install(SIGTERM, SIG_DFL);
    install(SIGUSR1, SIG_DFL);
    g_control.store(nullptr);
}

ProgressCallback StopSignals::progress(Console& console) const
{
    return [this, &console](const Progress& progress) {
        console.show(progress);
        return !stopRequested();
    };
}

} // namespace longlora::app
