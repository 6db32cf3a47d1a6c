// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/base_model.h"

#include "core/engine/checkpoint/finite_check.h"
#include "core/engine/checkpoint/model_folder.h"
#include "core/engine/checkpoint/sha256.h"
#include "core/engine/tensor/nf4_matrix.h"
#include "core/spec/base/atomic_file.h"
#include "core/spec/base/error.h"
#include "core/spec/base/units.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Tensor.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <unordered_map>

namespace longlora {

namespace {

/// Copied and checked slice by slice, while a slice is in the cache.
at::Tensor placedOnCpu(const at::Tensor& stored, const std::string& name, at::ScalarType dtype,
                       const std::string& source)
{
    constexpr std::int64_t kSliceElements = std::int64_t{1} << 18;
    const at::Tensor room = at::empty(stored.sizes(), stored.options().dtype(dtype));
    const at::Tensor from = stored.contiguous().view({-1});
    const at::Tensor to = room.view({-1});
    std::atomic<bool> finite{true};
    at::parallel_for(0, to.numel(), kSliceElements, [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; begin += kSliceElements) {
            const std::int64_t count = std::min(kSliceElements, end - begin);
            const at::Tensor slice = to.narrow(0, begin, count).copy_(from.narrow(0, begin, count));
            if (!isFinite(slice)) {
                finite = false;
            }
        }
    });
    if (!finite) {
        requireFinite(room, name, source);
    }
    return room;
}

/// A copy of `stored` where and as the model computes. Throws: DataError if it is not finite.
at::Tensor placed(const at::Tensor& stored, const std::string& name, const ComputePlace& place,
                  const std::string& source)
{
    try {
        if (place.device.is_cpu()) {
            return placedOnCpu(stored, name, place.dtype, source);
        }
        const at::Tensor copy =
            stored.to(place.device, place.dtype, /*non_blocking=*/false, /*copy=*/true);
        requireFinite(copy, name, source);
        return copy;
    } catch (const c10::Error&) {
        // Copying a sound tensor fails for one reason only.
        throw DeviceError(
            fmt::format("Out of memory on {} while loading {} ({} as {})",
                        describeDevice(place.device), name,
                        formatBytes(static_cast<double>(stored.numel()) *
                                    static_cast<double>(c10::elementSize(place.dtype))),
                        dtypeName(place.dtype)),
            "Use a smaller model, a narrower dtype, or a larger device.");
    }
}

} // namespace

DecoderModel loadBaseModel(const std::filesystem::path& folder, const ComputePlace& place,
                           const ProgressCallback& progress, Quantization quantization)
{
    const c10::NoGradGuard noGradients;
    DecoderModel model;
    model.config = readModelConfig(folder);
    const WeightFiles files = WeightFiles::open(folder, model.config);
    model.layers.resize(static_cast<std::size_t>(model.config.layerCount));

    std::unordered_map<const at::Tensor*, LoraLinear*> inFourBits;
    if (quantization == Quantization::Nf4) {
        forEachLinear(model, [&](const WeightShape&, LoraLinear& linear) {
            inFourBits.emplace(&linear.weight, &linear);
        });
    }
    const std::vector<WeightShape> shapes = weightShapes(model.config);
    const auto total = static_cast<std::int64_t>(shapes.size());
    std::int64_t done = 0;
    forEachWeight(model, [&](const WeightShape& shape, at::Tensor& weight) {
        if (progress && !progress({"loading", done, total, "tensors"})) {
            throw Cancelled{};
        }
        if (done + 1 < total) {
            files.readAhead(shapes[static_cast<std::size_t>(done + 1)].name);
        }
        if (const auto found = inFourBits.find(&weight); found != inFourBits.end()) {
            const at::Tensor stored = files.tensor(shape.name);
            requireFinite(stored, shape.name, folder.string());
            found->second->nf4 = std::make_shared<const Nf4Matrix>(stored, place.device);
            ++done;
            return;
        }
        weight = placed(files.tensor(shape.name), shape.name, place, folder.string());
        if (shape.part == ModelPart::Embedding && model.config.tiedEmbeddings) {
            model.lmHead = weight; // so that the head is not visited
        }
        ++done;
    });
    if (progress && !progress({"loading", done, total, "tensors"})) {
        throw Cancelled{};
    }
    return model;
}

std::string baseFingerprint(const std::filesystem::path& folder)
{
    constexpr std::size_t kHashedBytes = 4096;
    const ModelConfig config = readModelConfig(folder);
    const WeightFiles files = WeightFiles::open(folder, config);
    std::vector<WeightShape> shapes = weightShapes(config);
    std::sort(shapes.begin(), shapes.end(),
              [](const auto& left, const auto& right) { return left.name < right.name; });
    Sha256 hash;
    for (const WeightShape& shape : shapes) {
        const at::Tensor tensor = files.tensor(shape.name);
        hash.add(fmt::format("{} {} [{}]\n", shape.name, c10::toString(tensor.scalar_type()),
                             fmt::join(shape.sizes, ",")));
        hash.add({static_cast<const char*>(tensor.const_data_ptr()),
                  std::min(tensor.nbytes(), kHashedBytes)});
    }
    return hash.hex();
}

void saveModel(DecoderModel& model, const std::filesystem::path& folder, at::ScalarType dtype,
               const std::filesystem::path& tokenizerFolder)
{
    forEachLinear(model, [](const WeightShape& shape, const LoraLinear& linear) {
        if (linear.lora) {
            throw DataError("Cannot save " + shape.name + " with its LoRA update as a plain weight",
                            "Merge the adapter instead.");
        }
    });
    std::vector<SafetensorsWriter::Announced> announced;
    forEachWeight(model, [&](const WeightShape& shape, const at::Tensor& weight) {
        announced.push_back({shape.name, dtype, weight.sizes().vec()});
    });
    SafetensorsWriter writer(folder / "model.safetensors", announced, {{"format", "pt"}});
    forEachWeight(model, [&](const WeightShape& shape, const at::Tensor& weight) {
        writer.write(shape.name, weight.detach().to(dtype));
    });
    writer.finish();

    ModelConfig config = model.config;
    config.tiedEmbeddings = model.headIsTied();
    config.storedDtype = configDtypeName(dtype);
    writeFileAtomically(folder / "config.json", modelConfigJson(config));
    writeGenerationConfig({}, config, folder);
    if (!tokenizerFolder.empty()) {
        copyTokenizerFiles(tokenizerFolder, folder);
    }
}

} // namespace longlora
