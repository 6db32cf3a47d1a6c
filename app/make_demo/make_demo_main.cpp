// SPDX-License-Identifier: GPL-3.0-or-later
// Makes resources/demo: tokenizer, base model, texts and question. See resources/demo/MAKING.md.
#include "app/make_demo/demo_files.h"
#include "core/spec/base/error.h"

#include <CLI/CLI.hpp>

#include <cstdio>

int main(int argc, char** argv)
{
    using namespace longlora;
    CLI::App app(
        "Makes the files of the bundled demo: tokenizer, small base model, texts, question");
    DemoPaths paths;
    std::int64_t seed = 1;
    double effort = 1.0;
    int threads = 1;
    app.add_option("--plays", paths.plays, "folder of plays, *_gut.txt")->required();
    app.add_option("--out", paths.out, "folder to fill, resources/demo")->required();
    app.add_option("--work", paths.work, "folder for what is not kept")->required();
    app.add_option("--seed", seed, "seed of everything drawn");
    app.add_option("--effort", effort, "factor on the training steps");
    app.add_option("--threads", threads, "threads");
    CLI11_PARSE(app, argc, argv);
    try {
        makeDemo(paths, seed, effort, threads);
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.describe().c_str());
        return static_cast<int>(error.exitStatus());
    }
}
