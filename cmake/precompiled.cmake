# The headers that most files read, read once for all of them; with gmock's, once for all tests. Each
# file still includes what it uses.
#   target_precompile_headers(TARGET REUSE_FROM precompiled)
#   target_precompile_headers(TARGET REUSE_FROM precompiled_tests)
file(WRITE ${CMAKE_BINARY_DIR}/nothing.cc "")

function(everseal_precompiled NAME)
  add_library(${NAME} OBJECT ${CMAKE_BINARY_DIR}/nothing.cc)
  target_precompile_headers(${NAME} PRIVATE
    <algorithm> <array> <charconv> <chrono> <cstdint> <expected> <functional> <map> <memory> <optional>
    <set> <span> <string> <string_view> <unordered_map> <utility> <variant> <vector>
    <fmt/format.h> <fmt/ranges.h> ${ARGN})
endfunction()

everseal_precompiled(precompiled)
if(NOT EVERSEAL_FUZZ)
  everseal_precompiled(precompiled_tests <gmock/gmock.h>)
  target_link_libraries(precompiled_tests PRIVATE GTest::gmock)
  # The sanitizers are for what a test calls; in its own code all of them and an optimiser cost the
  # compiler more than everything else.
  add_library(test_options INTERFACE)
  target_compile_options(test_options INTERFACE "$<$<CONFIG:Debug>:-O0;-fno-sanitize=undefined>")
  target_link_libraries(precompiled_tests PRIVATE test_options)
endif()
