// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace longlora {

/// The kinds of pieces, numbered as in sentencepiece_model.proto.
enum class PieceType { Normal = 1, Unknown, Control, UserDefined, Unused, Byte };

struct SentencePiece {
    std::string text;
    float score = 0.0F;
    PieceType type = PieceType::Normal;
};

/// What the gate read of a `tokenizer.model` that may be handed to the library.
struct SentencePieceModel {
    std::vector<SentencePiece> pieces; ///< by id
    bool addDummyPrefix = true;
    bool removeExtraWhitespaces = true;
    bool hasCharsmap = false;     ///< normalises by more than spaces
    bool hasUnusedPieces = false; ///< segmentation may split a piece again
    std::string bosPiece = "<s>";
    std::string eosPiece = "</s>";
    std::string unkPiece = "<unk>";
};

/// The gate before sentencepiece 0.2.1: reads the ModelProto in `bytes` with a bounded reader of
/// our own and refuses all that the library is not known to survive or that no Llama-family
/// tokenizer has. Limits: 64 MB, 2 M pieces of at most 4 KB, BPE with byte fallback only, character
/// maps of at most 1 MB whose double array stays inside itself, has no cycle and at most 32 matches
/// on one path, at most 64 user-defined symbols that are prefixes of one another. `file` names the
/// source in messages. Throws: FormatError with the offset or the piece.
SentencePieceModel readSentencePieceModel(std::string_view bytes, const std::string& file);

} // namespace longlora
