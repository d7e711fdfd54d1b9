#include "app/settings_file.h"

// Whatever stands in a settings file, it is read or refused with its place.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto settings = everseal::app::parse_settings(text, "e.toml");
  if (!settings && !settings.error().message.starts_with("e.toml:")) __builtin_trap();
  return 0;
}
