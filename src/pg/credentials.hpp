#pragma once
// Where a process looks for newer credentials when a server refuses those that it has: a password that was
// rotated stands in a file that can be read again. Owned by the process, like the resolver. A renewed
// connection string replaces the one that options hold from then on, for every connect of the process. Thread
// safety: all of it. Failures: none; what cannot be read leaves the old one in place.

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace memoir::pg {

class Credentials {
  public:
    static Credentials& shared();

    // Gets a connection string and returns what it says now; nothing: it cannot say. Empty function: no
    // source.
    using Source = std::function<std::optional<std::string>(const std::string& conninfo)>;
    void source(Source source);

    // What stands in the place of this connection string by now.
    std::string current(const std::string& conninfo) const;
    // Asks the source. True: there is another one that differs in user or password alone; one for another
    // server or database is not taken.
    bool renew(const std::string& conninfo);

  private:
    mutable std::mutex mutex_;
    Source source_;
    std::map<std::string, std::string> renewed_;
};

}  // namespace memoir::pg
