// DER written (X.690 §10): what a CA signs is put together from these, so that every byte of it is
// ours to decide. Each function gives one whole element, or several in a row.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace everseal::crypto::der {

std::string element(unsigned char tag, std::string_view content);

std::string sequence(std::string_view content);
std::string set(std::string_view content);

// [number] around whole elements.
std::string tagged(unsigned char number, std::string_view content);

// [number] in place of the tag of a primitive type: IMPLICIT.
std::string implicit(unsigned char number, std::string_view content);

std::string integer(std::uint64_t value);
// A positive number by its bytes, the highest first.
std::string integer(std::string_view bytes);
std::string enumerated(unsigned char value);  // at most 127
std::string boolean_true();
std::string null();
std::string octet_string(std::string_view bytes);
std::string bit_string(std::string_view bytes);
// A named bit list (X.690 §11.2.2): of `bits`, the highest is bit 0; at least one is set.
std::string bit_list(unsigned char bits);
std::string utf8_string(std::string_view text);

// "1.2.840.10045.4.3.2".
std::string object_identifier(std::string_view dotted);

// UTCTime until 2049, from then on GeneralizedTime (RFC 5280 §4.1.2.5).
std::string time(Time time);
std::string generalized_time(Time time);

}  // namespace everseal::crypto::der
