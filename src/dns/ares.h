// libcares, opened when it is first used. Not for other folders.
#pragma once

#include <ares.h>

#include "base/result.h"

namespace everseal::dns {

// The functions of libcares that we call.
struct Ares {
  decltype(&::ares_library_init) library_init;
  decltype(&::ares_init_options) init_options;
  decltype(&::ares_destroy) destroy;
  decltype(&::ares_set_servers_ports_csv) set_servers;
  decltype(&::ares_query) query;
  decltype(&::ares_cancel) cancel;
  decltype(&::ares_getsock) getsock;
  decltype(&::ares_timeout) timeout;
  decltype(&::ares_process_fd) process_fd;
  decltype(&::ares_strerror) strerror;
  decltype(&::ares_parse_a_reply) parse_a_reply;
  decltype(&::ares_parse_aaaa_reply) parse_aaaa_reply;
  decltype(&::ares_parse_txt_reply_ext) parse_txt_reply;
  decltype(&::ares_parse_caa_reply) parse_caa_reply;
  decltype(&::ares_free_data) free_data;
};

// Opens and starts libcares once for the process. Errors: not_found, internal.
Result<const Ares*> open_ares();

}  // namespace everseal::dns
