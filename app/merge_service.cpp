// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/merge_service.h"

#include "core/engine/checkpoint/merge.h"

namespace longlora::app {

namespace {

class EngineMerge : public MergeService {
public:
    MergePreview examine(const MergeRequest& request) override { return examineMerge(request); }

    MergeReport merge(const MergeRequest& request, const ProgressCallback& progress) override
    {
        return mergeAdapter(request, progress);
    }
};

} // namespace

std::unique_ptr<MergeService> makeMergeService()
{
    return std::make_unique<EngineMerge>();
}

} // namespace longlora::app
