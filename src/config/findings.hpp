#pragma once
// Where values come from, and what is wrong with them. Findings are collected, never thrown: an operator
// sees all problems at once, in the order of the file. Thread safety: none, one load uses one.

#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/node.hpp"

namespace memoir::config {

struct Origin {
    // In order of precedence.
    enum class Level { fallback, file, environment, flag };
    Level level = Level::fallback;
    std::string name;  // of the file, or the variable, or the key that --set names
    Position at;       // in the file; line 0: the file as a whole

    std::string where() const;    // "memoird.toml:3:9", "MEMOIRD_WORKER_LEASE", "--set worker.lease"
    std::string comment() const;  // for --print-config: "default", "memoird.toml:3", "environment MEMOIRD_…"
};

// What is wrong, and what to do. Never quotes a value of the type text: it might be a secret in the wrong
// place.
struct Complaint {
    std::string text;
    std::string hint;
    Position at = {};  // in a file, where not the value as a whole is to blame
};

class Findings {
  public:
    void problem(const Origin& origin, Complaint complaint) {
        problems_.emplace_back(origin, std::move(complaint));
    }
    void warning(const Origin& origin, Complaint complaint) {
        warnings_.emplace_back(origin, std::move(complaint));
    }
    bool empty() const { return problems_.empty(); }
    std::vector<Problem> problems() const { return sorted(problems_); }
    std::vector<Problem> warnings() const { return sorted(warnings_); }

  private:
    using Entries = std::vector<std::pair<Origin, Complaint>>;
    static std::vector<Problem> sorted(Entries entries);
    Entries problems_, warnings_;
};

// Text of the operator's that is safe to show in one line: names of keys, paths of files.
std::string printable(std::string_view text);

}  // namespace memoir::config
