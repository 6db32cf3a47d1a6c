// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/engine/checkpoint/pickle/pickle_opcodes.h"
#include "core/engine/checkpoint/pickle/pickled_tensors.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace longlora {

/// Runs the opcodes of a pickle; behind readPickledTensors(). pickle_machine.cpp has stack, memo
/// and collections, pickle_objects.cpp what belongs to torch.
class PickleMachine {
public:
    explicit PickleMachine(const PickleText& pickle)
        : m_pickle(pickle)
        , m_bytes(pickle.bytes)
    {}

    /// Runs to the end; what is left on the stack is what the pickle says.
    void run();
    std::vector<PickledTensor> tensors() const;

private:
    enum class Kind : std::uint8_t {
        None,
        Boolean,
        Integer,
        Real,
        Text,
        Tuple,
        List,
        Dict,
        OrderedDict,
        Global,
        Storage,
        Tensor,
    };

    /// By number, so that values can be shared and nothing is freed twice.
    using Reference = std::uint32_t;

    struct Value {
        Kind kind = Kind::None;
        std::uint8_t depth = 0;
        std::uint32_t where = 0; ///< of its opcode in the pickle
        /// The number; of a global its place in the table, of a storage how many numbers it holds,
        /// of a tensor where in the storage it begins.
        std::int64_t number = 0;
        std::string_view text = {}; ///< of a storage its key
        /// Of a dict key and value in turn; of a storage its class; of a tensor storage, sizes,
        /// strides.
        std::vector<Reference> items = {};
    };

    static std::string_view kindName(Kind kind);
    /// Names a position in the pickle, or the opcode that is running.
    [[noreturn]] void refuseAt(std::size_t position, const std::string& what,
                               std::string hint = {}) const;
    [[noreturn]] void refuse(const std::string& what, std::string hint = {}) const;

    std::string_view take(std::size_t count);
    std::uint64_t takeNumber(std::size_t width);
    std::string_view takeLine();

    Reference make(Value value);
    void push(Reference value);
    void push(Value value) { push(make(std::move(value))); }
    /// Above the last mark.
    void requireOnStack(std::size_t count) const;
    Reference pop();
    const Value& popOf(Kind kind, const char* what);
    std::size_t popMark();
    std::vector<Reference> popFrom(std::size_t start);
    const Value& at(Reference value) const { return m_values[value]; }
    std::uint8_t depthOver(const std::vector<Reference>& items) const;

    bool runNumber(Opcode opcode);
    bool runText(Opcode opcode);
    bool runTuple(Opcode opcode);
    bool runCollection(Opcode opcode);
    bool runMemo(Opcode opcode);
    bool runGlobal(Opcode opcode);
    void pushText(std::size_t lengthBytes);
    void pushLong();
    void pushTuple(std::size_t count);
    void append(std::size_t start, bool isDict);
    void remember(std::uint64_t key);
    void recall(std::uint64_t key);
    void pushGlobal(std::string_view module, std::string_view name);
    void pushStorage();
    void call();
    void rebuildTensor(const std::vector<Reference>& arguments);
    void rebuildParameter(const std::vector<Reference>& arguments);
    void build();
    void requireKind(Reference value, Kind kind, const char* what) const;
    void requireNothing(Reference value, const char* what) const;
    void requireShape(Reference tuple, const char* what) const;
    std::vector<std::int64_t> shapeOf(Reference tuple) const;
    PickledTensor tensorOf(const Value& name, const Value& tensor) const;

    const PickleText& m_pickle;
    std::string_view m_bytes;
    std::size_t m_next = 0;
    std::size_t m_at = 0; ///< of the opcode that is running
    std::vector<Value> m_values;
    std::vector<Reference> m_stack;
    std::vector<std::size_t> m_marks; ///< sizes of the stack
    std::unordered_map<std::uint64_t, Reference> m_memo;
};

} // namespace longlora
