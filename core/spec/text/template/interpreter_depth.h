// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/interpreter.h"

namespace longlora::jinja {

/// Counts how deep evaluation is, so that no template comes to the end of the stack.
class Interpreter::Depth {
public:
    explicit Depth(Interpreter& interpreter)
        : m_interpreter(interpreter)
    {
        if (m_interpreter.m_depth == kCallDepth) {
            throw Failure(
                "macros, blocks or expressions are inside one another more than 400 times");
        }
        ++m_interpreter.m_depth;
    }
    ~Depth() { --m_interpreter.m_depth; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

private:
    Interpreter& m_interpreter;
};

} // namespace longlora::jinja
