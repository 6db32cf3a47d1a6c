// SPDX-License-Identifier: GPL-3.0-or-later
// Precompiled for core/engine only. Sources include what they use all the same.
#pragma once

#include <ATen/Functions.h>
#include <ATen/Tensor.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
