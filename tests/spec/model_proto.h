// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longlora::test {

/// The bytes of protobuf fields, also of wrong ones.
std::string varint(std::uint64_t value);
std::string varintField(std::uint32_t number, std::uint64_t value);
std::string floatField(std::uint32_t number, float value);
std::string bytesField(std::uint32_t number, const std::string& bytes);

/// One entry of a vocabulary; `type` as in sentencepiece_model.proto.
std::string piece(const std::string& text, float score, std::uint64_t type);

/// A small BPE model, part by part, so that a test can spoil one of them.
struct ModelProto {
    ModelProto();
    std::vector<std::string> pieces; ///< <unk> <s> </s>, 256 bytes, a few of text
    std::string trainer;             ///< fields of trainer_spec
    std::string normalizer;          ///< fields of normalizer_spec
    std::string rest;                ///< further fields of the model
    std::string bytes() const;
};

/// A precompiled_charsmap: a double array of `units`, filled up to whole blocks with units that
/// nothing reaches, and the replacement texts.
std::string charsmap(std::vector<std::uint32_t> units, const std::string& texts);

/// A unit of the double array.
std::uint32_t unit(std::uint32_t label, std::uint32_t offset, bool hasLeaf);
std::uint32_t valueUnit(std::uint32_t value);

/// A charsmap that turns "A" into "a".
std::vector<std::uint32_t> goodUnits();

} // namespace longlora::test
