# Read by ctest: adds the tests of the build in build/fuzz, if there is one.
set(FUZZ_TESTS ${CMAKE_CURRENT_LIST_DIR}/../build/fuzz/CTestTestfile.cmake)
if(EXISTS ${FUZZ_TESTS})
  include(${FUZZ_TESTS})
endif()
