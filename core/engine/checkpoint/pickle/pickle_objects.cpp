// SPDX-License-Identifier: GPL-3.0-or-later
// The few classes and functions of torch that files of tensors name, and the dict that comes out.
#include "core/engine/checkpoint/pickle/little_endian.h"
#include "core/engine/checkpoint/pickle/pickle_machine.h"
#include "core/spec/base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

namespace longlora {

namespace {

constexpr std::size_t kMaxRank = 8;

/// All that a pickle may ask for. Nothing of it is called: it says how to read what stands beside.
struct AllowedGlobal {
    std::string_view module;
    std::string_view name;
};
constexpr std::int64_t kOrderedDict = 0;
constexpr std::int64_t kRebuildTensor = 1;
constexpr std::int64_t kRebuildParameter = 2;
constexpr std::int64_t kFirstStorage = 3;
constexpr std::array<AllowedGlobal, 13> kAllowedGlobals = {{
    {"collections", "OrderedDict"},
    {"torch._utils", "_rebuild_tensor_v2"},
    {"torch._utils", "_rebuild_parameter"},
    {"torch", "DoubleStorage"},
    {"torch", "FloatStorage"},
    {"torch", "HalfStorage"},
    {"torch", "BFloat16Storage"},
    {"torch", "LongStorage"},
    {"torch", "IntStorage"},
    {"torch", "ShortStorage"},
    {"torch", "CharStorage"},
    {"torch", "ByteStorage"},
    {"torch", "BoolStorage"},
}};

} // namespace

std::string_view PickleMachine::kindName(Kind kind)
{
    constexpr std::array<std::string_view, 12> kNames = {
        "None",   "a truth value", "a whole number", "a real number", "a text",    "a tuple",
        "a list", "a dict",        "an OrderedDict", "a class",       "a storage", "a tensor"};
    return kNames[static_cast<std::size_t>(kind)];
}

void PickleMachine::pushGlobal(std::string_view module, std::string_view name)
{
    const auto* const found =
        std::find_if(kAllowedGlobals.begin(), kAllowedGlobals.end(), [&](const auto& allowed) {
            return allowed.module == module && allowed.name == name;
        });
    if (found == kAllowedGlobals.end()) {
        refuse(fmt::format("asks for {}.{}, which is not among the few names that tensors need",
                           printableName(module), printableName(name)),
               kHostileFileAdvice);
    }
    push({.kind = Kind::Global, .number = found - kAllowedGlobals.begin()});
}

/// ("storage", class, key, device, count): the one thing torch keeps outside of the pickle.
void PickleMachine::pushStorage()
{
    const std::vector<Reference> parts = popOf(Kind::Tuple, "a persistent id").items;
    if (parts.size() != 5) {
        refuse(fmt::format("a persistent id of {} parts is no storage", parts.size()));
    }
    requireKind(parts[0], Kind::Text, "the kind of a persistent id");
    requireKind(parts[1], Kind::Global, "the class of a storage");
    requireKind(parts[2], Kind::Text, "the key of a storage");
    requireKind(parts[3], Kind::Text, "the device of a storage");
    requireKind(parts[4], Kind::Integer, "the size of a storage");
    if (at(parts[0]).text != "storage" || at(parts[1]).number < kFirstStorage) {
        refuse("a persistent id that is no storage");
    }
    push({.kind = Kind::Storage,
          .number = at(parts[4]).number,
          .text = at(parts[2]).text,
          .items = {parts[1]}});
}

void PickleMachine::call()
{
    const std::vector<Reference> arguments = popOf(Kind::Tuple, "what a call is given").items;
    switch (popOf(Kind::Global, "what is called").number) {
    case kOrderedDict:
        if (!arguments.empty()) {
            refuse("an OrderedDict is made of something");
        }
        push({.kind = Kind::OrderedDict, .depth = 1});
        return;
    case kRebuildTensor:
        rebuildTensor(arguments);
        return;
    case kRebuildParameter:
        rebuildParameter(arguments);
        return;
    default:
        refuse("calls the class of a storage");
    }
}

/// (storage, offset, sizes, strides, requires_grad, hooks[, metadata])
void PickleMachine::rebuildTensor(const std::vector<Reference>& arguments)
{
    if (arguments.size() != 6 && arguments.size() != 7) {
        refuse(fmt::format("a tensor is made of {} parts", arguments.size()));
    }
    requireKind(arguments[0], Kind::Storage, "a tensor's storage");
    requireKind(arguments[1], Kind::Integer, "a tensor's place in its storage");
    requireShape(arguments[2], "a tensor's sizes");
    requireShape(arguments[3], "a tensor's strides");
    requireKind(arguments[4], Kind::Boolean, "a tensor's requires_grad");
    requireNothing(arguments[5], "a tensor's hooks");
    if (arguments.size() == 7) {
        requireNothing(arguments[6], "a tensor's metadata");
    }
    if (at(arguments[2]).items.size() != at(arguments[3]).items.size()) {
        refuse("a tensor has not as many strides as sizes");
    }
    push({.kind = Kind::Tensor,
          .number = at(arguments[1]).number,
          .items = {arguments[0], arguments[2], arguments[3]}});
}

/// (tensor, requires_grad, hooks)
void PickleMachine::rebuildParameter(const std::vector<Reference>& arguments)
{
    if (arguments.size() != 3) {
        refuse(fmt::format("a parameter is made of {} parts", arguments.size()));
    }
    requireKind(arguments[0], Kind::Tensor, "a parameter's tensor");
    requireKind(arguments[1], Kind::Boolean, "a parameter's requires_grad");
    requireNothing(arguments[2], "a parameter's hooks");
    push(arguments[0]);
}

/// Attributes of an OrderedDict (a state dict's _metadata): nothing that tensors need.
void PickleMachine::build()
{
    popOf(Kind::Dict, "what is set on an object");
    const Reference object = pop();
    requireKind(object, Kind::OrderedDict, "an object whose attributes are set");
    push(object);
}

void PickleMachine::requireNothing(Reference value, const char* what) const
{
    const Value& found = at(value);
    const bool isDict = found.kind == Kind::Dict || found.kind == Kind::OrderedDict;
    if (found.kind != Kind::None && !(isDict && found.items.empty())) {
        refuse(fmt::format("{} should be empty, not {}", what, kindName(found.kind)));
    }
}

void PickleMachine::requireShape(Reference tuple, const char* what) const
{
    requireKind(tuple, Kind::Tuple, what);
    if (at(tuple).items.size() > kMaxRank) {
        refuse(fmt::format("{} are {}, above the limit of {}", what, at(tuple).items.size(),
                           kMaxRank));
    }
    for (const Reference item : at(tuple).items) {
        requireKind(item, Kind::Integer, what);
    }
}

std::vector<std::int64_t> PickleMachine::shapeOf(Reference tuple) const
{
    std::vector<std::int64_t> numbers;
    for (const Reference item : at(tuple).items) {
        numbers.push_back(at(item).number);
    }
    return numbers;
}

PickledTensor PickleMachine::tensorOf(const Value& name, const Value& tensor) const
{
    if (name.kind != Kind::Text) {
        refuseAt(name.where, fmt::format("the name of a tensor is {}", kindName(name.kind)));
    }
    if (tensor.kind != Kind::Tensor) {
        refuseAt(
            tensor.where,
            fmt::format("{} is {}, not a tensor", printableName(name.text), kindName(tensor.kind)),
            "This is not a plain dict of tensors: save the model's state_dict() alone.");
    }
    const Value& storage = at(tensor.items[0]);
    PickledTensor result;
    result.name = name.text;
    result.storageClass =
        kAllowedGlobals[static_cast<std::size_t>(at(storage.items[0]).number)].name;
    result.storageKey = storage.text;
    result.storageCount = storage.number;
    result.storageOffset = tensor.number;
    result.sizes = shapeOf(tensor.items[1]);
    result.strides = shapeOf(tensor.items[2]);
    result.where = m_pickle.offset + tensor.where;
    return result;
}

std::vector<PickledTensor> PickleMachine::tensors() const
{
    const Value& root = at(m_stack.front());
    if (root.kind != Kind::Dict && root.kind != Kind::OrderedDict) {
        refuseAt(root.where,
                 fmt::format("the file holds {} instead of a dict of tensors", kindName(root.kind)),
                 "Save the model's state_dict() alone.");
    }
    std::vector<PickledTensor> result;
    std::unordered_set<std::string_view> names;
    for (std::size_t i = 0; i < root.items.size(); i += 2) {
        result.push_back(tensorOf(at(root.items[i]), at(root.items[i + 1])));
        if (!names.insert(result.back().name).second) {
            refuseAt(at(root.items[i]).where,
                     "the name " + printableName(result.back().name) + " stands twice");
        }
    }
    return result;
}

std::vector<PickledTensor> readPickledTensors(const PickleText& pickle)
{
    PickleMachine machine(pickle);
    machine.run();
    return machine.tensors();
}

} // namespace longlora
