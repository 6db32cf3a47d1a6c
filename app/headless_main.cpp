// SPDX-License-Identifier: GPL-3.0-or-later
// longlora: the engine without a window.
#include "app/commands/command_line.h"
#include "app/commands/console.h"
#include "app/commands/processor.h"
#include "core/engine/tensor/prepare_compute.h"

#include <unistd.h>

#include <csignal>
#include <iostream>

int main(int argc, char** argv)
{
    using namespace longlora::app;
    longlora::prepareEnvironment();
    // A file-size limit is then an error of the write, which is told, and not the end.
    std::signal(SIGXFSZ, SIG_IGN);
    Console console(std::cout, std::cerr, ::isatty(STDERR_FILENO) != 0);
    prepareProcessor();
    return runCommandLine({argv + 1, argv + argc}, console);
}
