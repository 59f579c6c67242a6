#pragma once
// A unit of systemd as its files say it, drop-ins included: doctor is also run where no systemd runs. Looks
// where systemd does: $SYSTEMD_UNIT_PATH, or the usual folders. Thread safety: values.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace memoir::ctl {

class UnitFile {
  public:
    // None: there is no such unit.
    static std::optional<UnitFile> find(const std::string& name);

    const std::string& path() const { return path_; }
    bool enabled() const { return enabled_; }  // some target wants it
    // The last assignment; none: there is none.
    std::optional<std::string> value(const std::string& key) const;
    std::optional<std::int64_t> number(const std::string& key) const;  // none also for "infinity"
    // None: it has no end ("infinity"), or cannot be read.
    std::optional<std::chrono::milliseconds> duration(const std::string& key,
                                                      std::chrono::milliseconds fallback) const;

  private:
    void read(const std::string& path);
    std::string path_;
    bool enabled_ = false;
    std::map<std::string, std::string> values_;
};

// systemd.time(7): "90", "30s", "1min 30s". None for "infinity" and what is none.
std::optional<std::chrono::milliseconds> parse_time_span(std::string_view text);

}  // namespace memoir::ctl
