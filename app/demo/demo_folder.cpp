// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/demo/demo_folder.h"

#include "app/resource_folder.h"

namespace longlora::app {

std::filesystem::path findDemoFolder()
{
    return findResources("demo", "tour.json");
}

} // namespace longlora::app
