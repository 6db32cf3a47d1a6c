// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/conversion_service.h"

#include "core/spec/base/error.h"

namespace longlora::app {

namespace {

class NoConversion : public ConversionService {
public:
    ConversionReport importGguf(const ImportRequest& request, const ProgressCallback&) override
    {
        throw ConfigError(request.file.string() + " cannot be imported: this version reads no GGUF",
                          "Get the model as a Hugging Face folder with safetensors.");
    }
};

} // namespace

std::unique_ptr<ConversionService> makeConversionService()
{
    return std::make_unique<NoConversion>();
}

} // namespace longlora::app
