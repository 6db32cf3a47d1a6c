// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/conversion_service.h"

#include "core/engine/checkpoint/gguf_import.h"

namespace longlora::app {

namespace {

class GgufConversion : public ConversionService {
public:
    ConversionReport importGguf(const ImportRequest& request,
                                const ProgressCallback& progress) override
    {
        return longlora::importGguf({request.file, request.output, request.dtype}, progress);
    }
};

} // namespace

std::unique_ptr<ConversionService> makeConversionService()
{
    return std::make_unique<GgufConversion>();
}

} // namespace longlora::app
