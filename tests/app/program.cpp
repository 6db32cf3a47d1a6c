// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/app/program.h"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

namespace longlora::test {

namespace fs = std::filesystem;

namespace {

fs::path newFolder()
{
    std::string pattern = (fs::temp_directory_path() / "longlora-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("cannot make a folder for the test");
    }
    return pattern;
}

void redirect(const fs::path& file, int flags, int to)
{
    const int descriptor = ::open(file.c_str(), flags, 0600);
    if (descriptor < 0 || ::dup2(descriptor, to) < 0) {
        ::_exit(126);
    }
}

[[noreturn]] void becomeProgram(const std::vector<std::string>& arguments, const fs::path& folder,
                                const Program::Options& options)
{
    redirect(folder / "in", O_RDONLY, STDIN_FILENO);
    redirect(folder / "out", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect(folder / "err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    const fs::path directory =
        options.directory.empty() ? fs::path(LONGLORA_GOLDEN_DIR) : options.directory;
    if (::chdir(directory.c_str()) != 0) {
        ::_exit(126);
    }
    for (const std::string& variable : options.environment) {
        ::putenv(const_cast<char*>(variable.c_str()));
    }
    if (options.prepare) {
        options.prepare();
    }
    std::vector<char*> words{const_cast<char*>(LONGLORA_PROGRAM)};
    for (const std::string& argument : arguments) {
        words.push_back(const_cast<char*>(argument.c_str()));
    }
    words.push_back(nullptr);
    ::execv(LONGLORA_PROGRAM, words.data());
    ::_exit(127);
}

} // namespace

std::string Outcome::lastErrorLine() const
{
    std::string text = err;
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text.substr(text.find_last_of('\n') + 1);
}

nlohmann::ordered_json Outcome::json() const
{
    return nlohmann::ordered_json::parse(out);
}

Program::Program(const std::vector<std::string>& arguments, const Options& options)
    : m_folder(newFolder())
{
    writeFile(m_folder / "in", options.input);
    m_process = ::fork();
    if (m_process == 0) {
        becomeProgram(arguments, m_folder, options);
    }
}

Program::Program(const std::vector<std::string>& arguments)
    : Program(arguments, Options{})
{}

Program::~Program()
{
    if (isRunning()) {
        signal(SIGKILL);
        wait();
    }
    fs::remove_all(m_folder);
}

void Program::signal(int number) const
{
    if (m_process > 0) {
        ::kill(m_process, number);
    }
}

bool Program::isRunning()
{
    int status = 0;
    if (m_process > 0 && ::waitpid(m_process, &status, WNOHANG) == m_process) {
        m_process = -1;
        m_status = status;
    }
    return m_process > 0;
}

Outcome Program::wait()
{
    if (m_process > 0) {
        ::waitpid(m_process, &m_status, 0);
        m_process = -1;
    }
    const int status = WIFEXITED(m_status) ? WEXITSTATUS(m_status) : 128 + WTERMSIG(m_status);
    return {status, outSoFar(), errSoFar()};
}

std::string Program::outSoFar() const
{
    return readFile(m_folder / "out");
}

std::string Program::errSoFar() const
{
    return readFile(m_folder / "err");
}

Outcome run(const std::vector<std::string>& arguments, const Program::Options& options)
{
    return Program(arguments, options).wait();
}

ScratchFolder::ScratchFolder()
    : m_path(newFolder())
{}

ScratchFolder::~ScratchFolder()
{
    std::error_code ignored;
    fs::remove_all(m_path, ignored);
}

fs::path golden(const std::string& path)
{
    return fs::path(LONGLORA_GOLDEN_DIR) / path;
}

std::string readFile(const fs::path& file)
{
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

void writeFile(const fs::path& file, const std::string& content)
{
    std::ofstream(file, std::ios::binary) << content;
}

fs::path copyOfModel(const std::string& name, const fs::path& to)
{
    fs::copy(golden("models/" + name), to, fs::copy_options::recursive);
    return to;
}

bool eventually(const std::function<bool()>& happened)
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!happened()) {
        if (std::chrono::steady_clock::now() > end) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

} // namespace longlora::test
