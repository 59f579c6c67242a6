// Certificates, against `openssl s_server`.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "endpoint/classify.hpp"
#include "http/client.hpp"
#include "support/guarded.hpp"
#include "support/process.hpp"

using namespace memoir;
using http::TransportError;

TEST_CASE("a server is trusted by the given CA only, under its own name only") {
    const auto directory = test::temporary_directory("tls");
    const auto key = directory + "/key.pem", certificate = directory + "/certificate.pem";
    const auto made =
        test::run({{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=memoir test",
                    "-addext", "subjectAltName=IP:127.0.0.1"},
                   {},
                   {}});
    REQUIRE(made.code == 0);
    const auto port = std::to_string(test::free_port());
    test::Process server({{"openssl", "s_server", "-accept", "127.0.0.1:" + port, "-cert", certificate,
                           "-key", key, "-www", "-quiet"},
                          {},
                          {}});

    http::Client client;
    const auto outcome = [&](const std::string& host, const std::string& ca_file) -> std::string {
        http::Request request;
        request.method = "GET";
        request.url = "https://" + host + ":" + port + "/";
        request.ca_file = ca_file;
        request.timeout = std::chrono::seconds(20);
        try {
            return "HTTP " + std::to_string(client.send(request).status);
        } catch (const http::TransportFailure& failure) {
            // A private authority is named in ca_file, and the HINT says so.
            const bool of_ca = std::string(failure.what()).find("trusted") != std::string::npos ||
                               std::string(failure.what()).find("CA file") != std::string::npos;
            const auto hint = endpoint::classify(failure, "vector.url, vector.api_key_file").hint;
            CHECK((hint.find("set vector.ca_file") != std::string::npos) == of_ca);
            return std::string(to_string(failure.error())) + " " + failure.what();
        }
    };
    // The first success says that it listens.
    const auto end = Steady::now() + std::chrono::seconds(30);
    while (outcome("127.0.0.1", certificate).starts_with("refused") && Steady::now() < end &&
           server.running()) {
    }
    CHECK(outcome("127.0.0.1", certificate) == "HTTP 200");
    CHECK(outcome("127.0.0.1", "") == "tls 127.0.0.1:" + port + ": the server's certificate is not trusted");
    CHECK(outcome("localhost", certificate).starts_with("tls "));  // another name than the certificate's
    CHECK(outcome("127.0.0.1", directory + "/absent") ==
          "tls 127.0.0.1:" + port + ": the CA file cannot be used");
    std::filesystem::remove_all(directory);
}
