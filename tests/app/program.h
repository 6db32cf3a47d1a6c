// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace longlora::test {

/// What a program that ended said.
struct Outcome {
    int status = -1; ///< exit status; 128 + signal if one ended it
    std::string out, err;

    std::string lastErrorLine() const;
    /// Standard output as the one JSON object that it must be.
    nlohmann::ordered_json json() const;
};

/// `longlora` as a process of its own. Ended by the destructor if it still runs.
class Program {
public:
    struct Options {
        std::filesystem::path directory = {};      ///< working directory; empty: the golden data's
        std::vector<std::string> environment = {}; ///< "NAME=value" over the present one
        std::function<void()> prepare = {};        ///< called in the child before it begins
        std::string input = {};                    ///< standard input
    };

    explicit Program(const std::vector<std::string>& arguments, const Options& options);
    explicit Program(const std::vector<std::string>& arguments);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    void signal(int number) const;
    bool isRunning();
    Outcome wait();
    /// What it has said so far.
    std::string outSoFar() const;
    std::string errSoFar() const;

private:
    std::filesystem::path m_folder; ///< of the captured output
    pid_t m_process = -1;
    int m_status = -1;
};

/// Starts, waits, returns.
Outcome run(const std::vector<std::string>& arguments, const Program::Options& options = {});

/// A new folder that goes with this.
class ScratchFolder {
public:
    ScratchFolder();
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    std::filesystem::path operator/(const std::string& name) const { return m_path / name; }
    const std::filesystem::path& path() const { return m_path; }

private:
    std::filesystem::path m_path;
};

std::filesystem::path golden(const std::string& path);
std::string readFile(const std::filesystem::path& file);
void writeFile(const std::filesystem::path& file, const std::string& content);
/// A golden model as a copy that may be changed.
std::filesystem::path copyOfModel(const std::string& name, const std::filesystem::path& to);
/// Polls until `happened`, at most a minute; whether it did.
bool eventually(const std::function<bool()>& happened);

} // namespace longlora::test
