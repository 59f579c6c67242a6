#pragma once
// A real FalkorDB on a unix socket of its own, in a temporary directory. Gone with the object, or with the
// test program. Thread safety: one thread at a time.

#include <memory>
#include <string>

#include "graph/options.hpp"

namespace memoir::test {

class Guarded;

class FalkorDb {
  public:
    // `arguments`: more of the server's, "--requirepass secret".
    explicit FalkorDb(std::string arguments = {});
    ~FalkorDb();
    FalkorDb(const FalkorDb&) = delete;
    FalkorDb& operator=(const FalkorDb&) = delete;

    // It was fetched (scripts/fetch-falkordb): there is none for every machine.
    static bool available();

    graph::Options options() const;
    std::string url() const { return "unix:" + directory_ + "/socket"; }
    void kill();   // as a crash; what was written is on the disk
    void start();  // again
    int pid() const;
    std::string log() const;

  private:
    const std::string arguments_;
    std::string directory_;
    std::unique_ptr<Guarded> program_;
};

}  // namespace memoir::test
