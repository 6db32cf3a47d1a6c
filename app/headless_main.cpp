// SPDX-License-Identifier: GPL-3.0-or-later
// longlora: the engine without a window.
#include "app/commands/command_line.h"
#include "app/commands/console.h"
#include "app/commands/processor.h"

#include <unistd.h>

#include <iostream>

int main(int argc, char** argv)
{
    using namespace longlora::app;
    Console console(std::cout, std::cerr, ::isatty(STDERR_FILENO) != 0);
    prepareProcessor();
    return runCommandLine({argv + 1, argv + argc}, console);
}
