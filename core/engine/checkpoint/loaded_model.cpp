// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/loaded_model.h"

#include "core/engine/checkpoint/adapter.h"
#include "core/engine/checkpoint/base_model.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/tensor/torch_compat.h"
#include "core/spec/base/error.h"

#include <exception>
#include <utility>

namespace longlora {

struct LoadedModel::Parts {
    std::filesystem::path folder;
    DecoderModel model;
    std::unique_ptr<Tokenizer> tokenizer;
    std::exception_ptr tokenizerFailure; ///< of a tokenizer that is there and cannot be read
};

namespace {

/// What is stored in fp32 is computed in fp32 everywhere, so that figures and answers compare; the
/// rest as the device does best.
ComputePrecision chosenPrecision(const LoadOptions& options)
{
    const bool isFp32 = options.precision == ComputePrecision::Auto &&
                        readModelConfig(options.model).storedDtype == "float32";
    return isFp32 ? ComputePrecision::Fp32 : options.precision;
}

} // namespace

LoadedModel::LoadedModel(const LoadOptions& options, const ProgressCallback& progress)
    : m_parts(std::make_unique<Parts>())
{
    m_parts->folder = options.model;
    m_parts->model = loadBaseModel(
        options.model, computePlace(options.device, chosenPrecision(options)), progress);
    if (!options.adapter.empty()) {
        attachAdapter(m_parts->model, readAdapter(options.adapter), baseFingerprint(options.model));
    }
    if (hasTokenizerFiles(options.model)) {
        try {
            m_parts->tokenizer = loadTokenizer(options.model);
        } catch (const Error&) {
            // Logits and token files need none: it is an error for those who ask for it.
            m_parts->tokenizerFailure = std::current_exception();
        }
    }
}

LoadedModel::~LoadedModel() = default;
LoadedModel::LoadedModel(LoadedModel&&) noexcept = default;

const ModelConfig& LoadedModel::config() const
{
    return m_parts->model.config;
}

const Tokenizer& LoadedModel::tokenizer() const
{
    if (m_parts->tokenizerFailure) {
        std::rethrow_exception(m_parts->tokenizerFailure);
    }
    if (!m_parts->tokenizer) {
        throw DataError("There is no tokenizer in " + m_parts->folder.string(),
                        "Copy the base model's tokenizer.json or tokenizer.model there, with "
                        "tokenizer_config.json.");
    }
    return *m_parts->tokenizer;
}

bool LoadedModel::hasTokenizer() const
{
    return m_parts->tokenizer != nullptr;
}

const std::filesystem::path& LoadedModel::folder() const
{
    return m_parts->folder;
}

const DecoderModel& LoadedModel::decoder() const
{
    return m_parts->model;
}

void LoadedModel::setRope(const RopeScaling& rope)
{
    m_parts->model.config.rope = rope;
}

} // namespace longlora
