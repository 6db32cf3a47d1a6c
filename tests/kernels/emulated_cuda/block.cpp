// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/kernels/emulated_cuda/block.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace emulated_cuda {

namespace {

constexpr int kWarpThreads = 32;
constexpr std::size_t kStackBytes = std::size_t{256} * 1024;

/// Threads that wait until all of them have come.
struct Meeting {
    int members = 0;
    int arrived = 0;
    std::uint64_t times = 0;

    void closeIfComplete()
    {
        if (members > 0 && arrived == members) {
            arrived = 0;
            ++times;
        }
    }
};

/// Values change places in one of two arrays in turn: who is ahead writes the other one.
struct Warp {
    Meeting meeting;
    std::byte values[2][kWarpThreads][8];
};

struct Thread {
    ucontext_t context; ///< to begin with
    jmp_buf place;      ///< to go on from: swapcontext() would ask the system at every turn
    bool isBegun = false;
    std::unique_ptr<std::byte[]> stack;
    uint3 index;
    int number = 0;
    bool isDone = false;
};

/// The block that runs. One at a time: the kernels' static shared memory is the program's.
struct Block {
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    Meeting meeting;
    std::vector<std::byte> shared;
    const std::function<void()>* body = nullptr;
    Thread* current = nullptr;
    jmp_buf scheduler;
    std::uint64_t progress = 0; ///< meetings closed and threads done
};

Block& block()
{
    static Block one;
    return one;
}

Warp& warpOf(const Thread& thread)
{
    return block().warps[static_cast<std::size_t>(thread.number / kWarpThreads)];
}

void giveWay()
{
    Block& own = block();
    if (_setjmp(own.current->place) == 0) {
        _longjmp(own.scheduler, 1);
    }
    threadIdx = own.current->index;
}

void meet(Meeting& meeting)
{
    const std::uint64_t before = meeting.times;
    ++meeting.arrived;
    meeting.closeIfComplete();
    block().progress += meeting.times != before ? 1 : 0;
    while (meeting.times == before) {
        giveWay();
    }
}

/// Who has ended is waited for no longer.
void leave(Meeting& meeting)
{
    --meeting.members;
    meeting.closeIfComplete();
}

void runThread()
{
    Block& own = block();
    (*own.body)();
    own.current->isDone = true;
    leave(warpOf(*own.current).meeting);
    leave(own.meeting);
    ++own.progress;
    _longjmp(own.scheduler, 1);
}

void start(Thread& thread, int number, dim3 shape)
{
    const auto i = static_cast<unsigned>(number);
    thread.number = number;
    thread.isBegun = false;
    thread.index = {i % shape.x, i / shape.x % shape.y, i / (shape.x * shape.y)};
    thread.isDone = false;
    if (!thread.stack) {
        thread.stack = std::make_unique<std::byte[]>(kStackBytes);
    }
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = kStackBytes;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, runThread, 0);
}

/// Up to where it gives way or ends.
void goOn(Thread& thread)
{
    if (_setjmp(block().scheduler) != 0) {
        return;
    }
    if (thread.isBegun) {
        _longjmp(thread.place, 1);
    }
    thread.isBegun = true;
    setcontext(&thread.context);
}

/// Every thread that is not done gets a turn.
bool giveTurns(bool isBackwards)
{
    Block& own = block();
    bool isRunning = false;
    for (std::size_t i = 0; i < own.threads.size(); ++i) {
        Thread& thread = own.threads[isBackwards ? own.threads.size() - 1 - i : i];
        if (!thread.isDone) {
            isRunning = true;
            own.current = &thread;
            threadIdx = thread.index;
            goOn(thread);
        }
    }
    return isRunning;
}

void runBlock(dim3 shape, bool isBackwards)
{
    Block& own = block();
    const int count = static_cast<int>(shape.x * shape.y * shape.z);
    own.threads.resize(static_cast<std::size_t>(count));
    own.warps.assign(static_cast<std::size_t>((count + kWarpThreads - 1) / kWarpThreads), Warp{});
    own.meeting = {count, 0, 0};
    for (int i = 0; i < count; ++i) {
        start(own.threads[static_cast<std::size_t>(i)], i, shape);
        ++own.warps[static_cast<std::size_t>(i / kWarpThreads)].meeting.members;
    }
    for (std::uint64_t before = own.progress; giveTurns(isBackwards); before = own.progress) {
        if (own.progress == before) {
            std::fputs("emulated CUDA: threads of a block wait for each other forever\n", stderr);
            std::abort();
        }
    }
}

} // namespace

void runBlocks(dim3 grid, dim3 shape, std::size_t sharedBytes, const std::function<void()>& thread)
{
    Block& own = block();
    own.body = &thread;
    gridDim = grid;
    blockDim = shape;
    const unsigned blocks = grid.x * grid.y * grid.z;
    for (unsigned i = 0; i < blocks; ++i) {
        blockIdx = {i % grid.x, i / grid.x % grid.y, i / (grid.x * grid.y)};
        own.shared.assign(sharedBytes, std::byte{0xff});
        runBlock(shape, i % 2 == 1);
    }
}

void waitForBlock()
{
    meet(block().meeting);
}

const std::byte (*exchangeInWarp(const void* own, std::size_t bytes))[8]
{
    const Thread& thread = *block().current;
    Warp& warp = warpOf(thread);
    std::byte(*values)[8] = warp.values[warp.meeting.times % 2];
    std::memcpy(values[thread.number % kWarpThreads], own, bytes);
    meet(warp.meeting);
    return values;
}

int laneOfThread()
{
    return block().current->number % kWarpThreads;
}

void* dynamicShared()
{
    return block().shared.data();
}

} // namespace emulated_cuda
