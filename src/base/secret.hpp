#pragma once
// A value that must never reach a log, an error text or --print-config. It has no stream operator and no
// implicit conversion: whoever needs it says reveal().

#include <string>
#include <utility>

namespace memoir {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    bool empty() const { return value_.empty(); }
    const std::string& reveal() const { return value_; }
    friend bool operator==(const Secret&, const Secret&) = default;

  private:
    std::string value_;
};

}  // namespace memoir
