#include "dns/ares.h"

#include "base/shared_library.h"

namespace everseal::dns {
namespace {

Result<const Ares*> open_once() {
  static Ares ares;
  const auto library = TRY(base::SharedLibrary::open("libcares.so.2", "Debian's libc-ares2"));
  TRY(library.find("ares_library_init", ares.library_init));
  TRY(library.find("ares_init_options", ares.init_options));
  TRY(library.find("ares_destroy", ares.destroy));
  TRY(library.find("ares_set_servers_ports_csv", ares.set_servers));
  TRY(library.find("ares_query", ares.query));
  TRY(library.find("ares_cancel", ares.cancel));
  TRY(library.find("ares_getsock", ares.getsock));
  TRY(library.find("ares_timeout", ares.timeout));
  TRY(library.find("ares_process_fd", ares.process_fd));
  TRY(library.find("ares_strerror", ares.strerror));
  TRY(library.find("ares_parse_a_reply", ares.parse_a_reply));
  TRY(library.find("ares_parse_aaaa_reply", ares.parse_aaaa_reply));
  TRY(library.find("ares_parse_txt_reply_ext", ares.parse_txt_reply));
  TRY(library.find("ares_parse_caa_reply", ares.parse_caa_reply));
  TRY(library.find("ares_free_data", ares.free_data));
  if (ares.library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
    return base::internal("libcares does not start");
  return &ares;
}

}  // namespace

Result<const Ares*> open_ares() {
  static const Result<const Ares*> ares = open_once();
  return ares;
}

}  // namespace everseal::dns
