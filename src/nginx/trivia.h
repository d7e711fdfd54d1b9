// What stands between the words of a file: blanks and comments.
#pragma once

#include <string>
#include <vector>

#include "nginx/syntax.h"

namespace everseal::nginx {

// The comments in a range of the text that holds no word, each from its "#" to the end of its line.
std::vector<Span> comments_in(const Document& document, Span gap);

// The range between the last word of a statement and its ";" or "{".
Span gap_before_ending(const Statement& statement);

// The file's bytes, put together from the words and ends of its statements and the blanks and
// comments between them. Errors: internal, if anything else lies between them: then the statements
// are not the whole file.
Result<std::string> compose(const Document& document);

}  // namespace everseal::nginx
