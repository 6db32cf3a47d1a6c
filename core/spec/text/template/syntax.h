// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/spec/text/template/token.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace longlora::jinja {

enum class ExpressionKind {
    Constant,    ///< value
    Name,        ///< text
    List,        ///< of children
    Tuple,       ///< of children
    Dict,        ///< keys and values in turn
    Attribute,   ///< of child 0; text
    Item,        ///< of child 0; child 1
    Slice,       ///< of child 0; children 1 to 3: begin, end, step, may be null
    Call,        ///< of child 0; the others are arguments
    Filter,      ///< text, of child 0; the others are arguments. Child 0 null: of a block
    Test,        ///< text, of child 0; the others are arguments
    Negative,    ///< of child 0
    Positive,    ///< of child 0
    Arithmetic,  ///< text: + - * / // % **
    Concatenate, ///< of children
    Compare,     ///< child 0 with child 1, child 1 with child 2, ...; names: the operators
    And,
    Or,
    Not,
    Conditional, ///< child 0 if child 1 else child 2, which may be null
};

struct Expression;
using ExpressionPointer = std::unique_ptr<const Expression>;

struct Expression {
    ExpressionKind kind = ExpressionKind::Constant;
    Position position;
    std::string text;
    Value value;
    std::vector<ExpressionPointer> children;
    std::vector<std::string> names; ///< of the arguments (empty: by place); or operators
    int depth = 1;                  ///< of the tree
};

enum class StatementKind {
    Text,     ///< text
    Output,   ///< of expression
    If,       ///< bodies[i] if conditions[i]; one more body: else
    For,      ///< target in expression, if condition 0; bodies 0 and 1: each, else
    Set,      ///< target = expression
    SetBlock, ///< target = what body 0 writes, through expression (a Filter) if there is one
    Macro,    ///< text(parameters); conditions: their defaults, null for none
    With,     ///< conditions: values of parameters; body 0
    Scope,    ///< body 0 with variables of its own
    Break,
    Continue,
};

/// What is assigned to: names, or an attribute of a namespace.
struct Target {
    std::vector<std::string> names;
    bool isTuple = false;
    std::string attribute; ///< of names[0]; empty: none
};

struct Statement {
    StatementKind kind = StatementKind::Text;
    Position position;
    std::string text;
    ExpressionPointer expression;
    std::vector<ExpressionPointer> conditions;
    Target target;
    std::vector<std::string> parameters;
    std::vector<std::vector<Statement>> bodies;
};

/// Reads a template. Throws: SyntaxFailure.
std::vector<Statement> parseTemplate(std::string_view source);

} // namespace longlora::jinja
