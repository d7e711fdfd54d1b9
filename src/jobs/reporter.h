// How a job speaks to the person who started it.
#pragma once

#include <string>
#include <string_view>

namespace everseal::jobs {

// Interface for telling how a job goes. Texts are one line each and safe to print unless said
// otherwise.
class Reporter {
 public:
  virtual ~Reporter() = default;

  // Where one certificate or site is on its way; the next call for the same subject replaces it.
  virtual void progress(std::string_view subject, std::string_view step) = 0;

  // A step that is over.
  virtual void done(std::string_view subject, std::string_view what) = 0;
  virtual void failed(std::string_view subject, std::string_view why) = 0;

  // Something worth knowing.
  virtual void note(std::string_view text) = 0;

  // Text of many lines: the preview.
  virtual void show(std::string_view text) = 0;

  // Asks a person; false if there is none to ask.
  virtual bool confirm(std::string_view question) = 0;
};

}  // namespace everseal::jobs
