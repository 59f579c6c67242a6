// A server with a certificate of its own making: what the TLS parameters of a connection string ask for
// holds.
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>

#include "pg/connection.hpp"
#include "support/guarded.hpp"
#include "support/postgres.hpp"
#include "support/process.hpp"

using namespace memoir;
using test::Cluster;

namespace {

// A key and a self-signed certificate for the name `localhost`.
class Certificate {
  public:
    explicit Certificate(const std::string& name) : directory_(test::temporary_directory("mtl")) {
        const auto made =
            test::run({.arguments = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                                     "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name,
                                     "-keyout", key(), "-out", file()},
                       .environment = {},
                       .input = ""});
        INFO(made.errors);
        REQUIRE(made.code == 0);
        std::filesystem::permissions(key(), std::filesystem::perms(0600));
        std::filesystem::permissions(directory_, std::filesystem::perms(0755));
        test::give(directory_, test::unprivileged_user());
    }
    ~Certificate() {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;
    std::string file() const { return directory_ + "/server.crt"; }
    std::string key() const { return directory_ + "/server.key"; }

  private:
    std::string directory_;
};

std::string problem(const std::string& conninfo) {
    try {
        pg::Connection::connect({.conninfo = conninfo});
    } catch (const pg::Error& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("TLS parameters of the connection string hold") {
    const Certificate own("localhost"), stranger("localhost");
    Cluster cluster({.config = {"ssl = on", "ssl_cert_file = '" + own.file() + "'",
                                "ssl_key_file = '" + own.key() + "'"}});
    const auto base = "user=postgres dbname=memoir port=" + std::to_string(cluster.port());
    const auto verified = base + " sslmode=verify-full sslrootcert=" + own.file();

    // The name goes to TLS although memoird resolves it itself.
    auto connection = pg::Connection::connect({.conninfo = verified + " host=localhost"});
    CHECK(connection->exec("select ssl from pg_stat_ssl where pid = pg_backend_pid()").boolean(0, 0));

    CHECK(problem(verified + " host=127.0.0.1") ==
          "connect: the server's certificate is for another host name");
    CHECK(problem(base + " host=localhost sslmode=verify-full sslrootcert=" + stranger.file()) ==
          "connect: the server's certificate is not signed by a CA in sslrootcert");
    CHECK(problem(base + " host=localhost sslmode=verify-full sslrootcert=/nowhere") ==
          "connect: sslrootcert cannot be read");
    CHECK(problem(base + " host=localhost sslmode=require channel_binding=require") ==
          "connect: channel_binding cannot be met");  // trust authentication offers none
    CHECK(problem(base + " host=localhost sslmode=disable").empty());

    // Replies larger than a TLS record and libpq's buffer, in odd sizes.
    for (const int size : {1, 8'191, 16'383, 16'385, 100'000, 3'000'001}) {
        const std::array segments{pg::Segment{{"select repeat('x', $1::int)", pg::Params().add(size)}},
                                  pg::Segment{{"select 1", {}}}};
        const auto results = connection->pipeline(segments);
        CHECK(std::get<std::vector<pg::Result>>(results[0])[0].text(0, 0).size() ==
              static_cast<std::size_t>(size));
    }
}
