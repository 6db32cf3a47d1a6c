// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/checkpoint/merge_weights.h"

#include "core/engine/checkpoint/merged_weight.h"
#include "core/spec/base/atomic_file.h"

#include <ATen/Tensor.h>

#include <functional>
#include <future>
#include <memory>
#include <string_view>
#include <utility>

namespace longlora {

namespace {

/// Runs one piece of work at a time on a thread of its own.
class Behind {
public:
    /// Waits for the piece before. Throws what that threw.
    void run(std::function<void()> work)
    {
        finish();
        m_pending = std::async(std::launch::async, std::move(work));
    }
    void finish()
    {
        if (m_pending.valid()) {
            m_pending.get();
        }
    }

private:
    std::future<void> m_pending; ///< its destructor waits
};

std::int64_t bytesOf(const std::vector<WeightShard>& shards)
{
    std::uint64_t bytes = 0;
    for (const WeightShard& shard : shards) {
        for (const auto& tensor : shard.tensors) {
            bytes += safetensorsBytes(tensor);
        }
    }
    return static_cast<std::int64_t>(bytes);
}

std::string_view bytesIn(const at::Tensor& contiguous)
{
    return {static_cast<const char*>(contiguous.const_data_ptr()), contiguous.nbytes()};
}

} // namespace

WrittenHashes writeMergedWeights(const MergeSource& source, const std::vector<WeightShard>& shards,
                                 const std::filesystem::path& folder,
                                 const ProgressCallback& progress)
{
    const std::int64_t total = bytesOf(shards);
    std::int64_t done = 0;
    std::map<std::string, ContentHash> hashes;
    Behind behind; // after what it works on
    for (const WeightShard& shard : shards) {
        const auto writer = std::make_shared<SafetensorsWriter>(
            folder / shard.file, shard.tensors,
            std::map<std::string, std::string>{{"format", "pt"}});
        for (const auto& tensor : shard.tensors) {
            ContentHash& hash = hashes[tensor.name];
            forEachMergedBlock(source, tensor.name, tensor.dtype, [&](const at::Tensor& rows) {
                if (progress && !progress({"merging", done, total, "bytes"})) {
                    throw Cancelled{};
                }
                behind.run([&hash, &name = tensor.name, writer, rows] {
                    hash.add(bytesIn(rows));
                    writer->writeRows(name, rows);
                });
                done += static_cast<std::int64_t>(rows.nbytes());
            });
        }
        behind.run([writer] { writer->finish(); });
    }
    behind.finish();
    if (shards.size() > 1) {
        writeFileAtomically(folder / kWeightIndexFile, weightIndexJson(shards));
    }
    if (progress && !progress({"merging", total, total, "bytes"})) {
        throw Cancelled{};
    }
    WrittenHashes values;
    for (const auto& [name, hash] : hashes) {
        values[name] = hash.value();
    }
    return values;
}

} // namespace longlora
