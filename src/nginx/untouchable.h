// Files of the configuration that are not ours to edit.
#pragma once

#include <string>

#include "nginx/model.h"

namespace everseal::nginx {

// Why the file that holds a block must not be edited: another program writes it, or several places
// include it, which are named. Empty if it may be.
std::string untouchable(const Model& model, const Directive& block);

}  // namespace everseal::nginx
