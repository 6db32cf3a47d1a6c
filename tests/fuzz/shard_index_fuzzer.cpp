// SPDX-License-Identifier: GPL-3.0-or-later
// *.index.json: no name that is accepted leads out of the model's folder.
#include "core/engine/checkpoint/shard_index.h"
#include "core/spec/base/error.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temporary_folder.h"

#include <fstream>

namespace longlora::fuzz {

namespace {

namespace fs = std::filesystem;

/// A model folder with shards "a", links "in" and "out", and a secret beside it.
class Folder {
public:
    Folder()
    {
        fs::create_directory(m_model);
        std::ofstream(m_model / "a") << "shard";
        std::ofstream(m_temporary.path() / "secret") << "secret";
        fs::create_symlink("a", m_model / "in");
        fs::create_symlink("../secret", m_model / "out");
        fs::create_symlink("loop", m_model / "loop");
        fs::create_directory_symlink("..", m_model / "up");
    }
    const fs::path& model() const { return m_model; }

private:
    const test::TemporaryFolder m_temporary;
    const fs::path m_model = fs::canonical(m_temporary.path()) / "model";
};

} // namespace

void readAndUse(std::string_view input)
{
    static const Folder folder;
    const auto shardOfTensor = parseShardIndex(input, kFile);
    std::size_t asked = 0;
    for (const auto& [tensor, shard] : shardOfTensor) {
        require(fs::path(shard).filename() == shard && shard != "..", "a shard is a bare name");
        if (++asked > 16) {
            continue;
        }
        try {
            const fs::path path = shardPath(folder.model(), shard, kFile);
            require(path.parent_path() == folder.model(), "a shard lies in the model's folder");
        } catch (const FormatError&) {
            require(shard != "a" && shard != "in", "a shard that is there is found");
        }
    }
}

} // namespace longlora::fuzz
