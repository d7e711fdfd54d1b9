# What makes a fault of memory end the program rather than be of use to whoever caused it. For what
# is installed: the builds with sanitizers find such faults by themselves. tests/check_hardening.py
# looks whether the program has all of it.
add_compile_options("$<$<CONFIG:Release>:-fPIE;-fstack-protector-strong;-fstack-clash-protection>")
add_compile_definitions("$<$<CONFIG:Release>:_FORTIFY_SOURCE=3;_GLIBCXX_ASSERTIONS>")
add_link_options("$<$<CONFIG:Release>:-pie;LINKER:-z,relro,-z,now,-z,noexecstack,-z,separate-code>")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options("$<$<CONFIG:Release>:-fcf-protection>")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
  add_compile_options("$<$<CONFIG:Release>:-mbranch-protection=standard>")
endif()
