# everseal_folder(NAME LINKS LIBRARY...): the folder src/NAME as
#   NAME        a static library of its *.cc files,
#   NAME_test   its x_test.cc files, one ctest test,
#   NAME_bench  its x_bench.cc files,
#   x_fuzz      one program for each x_fuzz.cc (with EVERSEAL_FUZZ), run by ctest for FUZZ_SECONDS
#               [15], or for EVERSEAL_FUZZ_SECONDS.
function(everseal_folder NAME)
  cmake_parse_arguments(FOLDER "" "FUZZ_SECONDS" "LINKS" ${ARGN})
  set(DIRECTORY ${CMAKE_SOURCE_DIR}/src/${NAME})
  file(GLOB_RECURSE SOURCES CONFIGURE_DEPENDS ${DIRECTORY}/*.cc)
  set(TESTS ${SOURCES})
  set(BENCHES ${SOURCES})
  set(FUZZERS ${SOURCES})
  list(FILTER TESTS INCLUDE REGEX "_test\\.cc$")
  list(FILTER BENCHES INCLUDE REGEX "_bench\\.cc$")
  list(FILTER FUZZERS INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER SOURCES EXCLUDE REGEX "(_test|_bench|_fuzz|/main)\\.cc$")
  if(NOT SOURCES)
    add_library(${NAME} INTERFACE)
    target_link_libraries(${NAME} INTERFACE ${FOLDER_LINKS})
    return()
  endif()

  if(EVERSEAL_FUZZ)
    add_library(${NAME} STATIC EXCLUDE_FROM_ALL ${SOURCES})  # only what the fuzz targets need
  else()
    add_library(${NAME} STATIC ${SOURCES})
  endif()
  target_link_libraries(${NAME} PUBLIC ${FOLDER_LINKS})
  target_precompile_headers(${NAME} REUSE_FROM precompiled)

  if(EVERSEAL_FUZZ)
    set(SECONDS 15)
    foreach(GIVEN "${FOLDER_FUZZ_SECONDS}" "${EVERSEAL_FUZZ_SECONDS}")
      if(GIVEN)
        set(SECONDS ${GIVEN})
      endif()
    endforeach()
    foreach(FUZZER ${FUZZERS})
      get_filename_component(TARGET ${FUZZER} NAME_WE)
      add_executable(${TARGET} ${FUZZER})
      target_link_libraries(${TARGET} PRIVATE ${NAME})
      target_link_options(${TARGET} PRIVATE -fsanitize=fuzzer)
      set(SEEDS ${CMAKE_SOURCE_DIR}/tests/data/fuzz/${TARGET})
      if(NOT EXISTS ${SEEDS})
        set(SEEDS "")
      endif()
      file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/corpus/${TARGET})
      add_test(NAME fuzz.${TARGET}
               COMMAND ${TARGET} -max_total_time=${SECONDS} -timeout=10
                       -rss_limit_mb=4096 ${CMAKE_BINARY_DIR}/corpus/${TARGET} ${SEEDS})
    endforeach()
    return()
  endif()

  if(TESTS)
    add_executable(${NAME}_test ${TESTS})
    target_link_libraries(${NAME}_test PRIVATE ${NAME} GTest::gmock_main test_options)
    target_precompile_headers(${NAME}_test REUSE_FROM precompiled_tests)
    add_test(NAME unit.${NAME} COMMAND ${NAME}_test --gtest_brief=1)
    set_tests_properties(unit.${NAME} PROPERTIES
      ENVIRONMENT "EVERSEAL_SOURCE=${CMAKE_SOURCE_DIR}")
  endif()
  if(BENCHES)
    add_executable(${NAME}_bench EXCLUDE_FROM_ALL ${BENCHES})
    target_link_libraries(${NAME}_bench PRIVATE ${NAME} GTest::gmock benchmark::benchmark_main)
    add_dependencies(benchmarks ${NAME}_bench)
  endif()
endfunction()

add_custom_target(benchmarks)
