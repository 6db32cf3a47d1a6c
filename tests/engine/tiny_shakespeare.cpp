// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/engine/tiny_shakespeare.h"

#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>

namespace longlora::test {

std::filesystem::path tinyShakespeare()
{
    return std::filesystem::path(LONGLORA_GOLDEN_DIR) / "models" / "tiny-shakespeare";
}

LoadedModel loadTiny(ComputePrecision precision, const std::filesystem::path& folder)
{
    LoadOptions options;
    options.model = folder;
    options.device = DeviceKind::Cpu;
    options.precision = precision;
    return LoadedModel(options);
}

EditedModel::EditedModel(const std::filesystem::path& source, const std::string& file,
                         const std::string& what, const std::string& with)
    : m_path(std::filesystem::temp_directory_path() /
             ("longlora-infer-test-" + std::to_string(std::random_device()())))
{
    std::filesystem::copy(source, m_path, std::filesystem::copy_options::recursive);
    std::stringstream content;
    content << std::ifstream(source / file).rdbuf();
    std::string text = content.str();
    const std::size_t at = text.find(what);
    if (at == std::string::npos) {
        throw std::logic_error(file + " does not contain " + what);
    }
    text.replace(at, what.size(), with);
    std::filesystem::remove(m_path / file);
    std::ofstream(m_path / file) << text;
}

EditedModel::~EditedModel()
{
    std::error_code ignored;
    std::filesystem::remove_all(m_path, ignored);
}

} // namespace longlora::test
