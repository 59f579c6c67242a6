#pragma once
// TLS as a client, without any I/O: what the server sent goes in, what is to be sent comes out, and the owner
// moves both between it and a socket under deadlines of its own. The server has to present a certificate for
// the host that was asked for, signed by a CA that is trusted. States: handshake, open, cut. Thread safety:
// one thread at a time.
//
// Errors are Failures: blocked (certificate, host name, CA file, a server that speaks no TLS or asks for a
// client certificate), ambiguous (cut).

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/failure.hpp"

struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

namespace memoir::graph {

class Tls {
  public:
    // `host`: a name or an IP address. `ca_file`: PEM; empty: the CAs that the system trusts.
    Tls(const std::string& host, const std::string& ca_file);
    ~Tls();
    Tls(const Tls&) = delete;
    Tls& operator=(const Tls&) = delete;

    // False: it needs more of the server's bytes. There may be something to send either way.
    bool handshake();
    void write(std::string_view text);
    // What the server said, decrypted. 0: it needs more of the server's bytes.
    std::size_t read(std::span<char> into);

    void received(std::string_view bytes);
    std::string to_send();
    bool open() const { return open_; }
    // What a connection that ends now is to its owner.
    Failure cut() const;

  private:
    [[noreturn]] void fail(int result);

    std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
    std::unique_ptr<ssl_st, void (*)(ssl_st*)> session_;
    bio_st* in_ = nullptr;  // both belong to the session
    bio_st* out_ = nullptr;
    bool open_ = false;
    bool heard_ = false;  // it has answered anything
};

}  // namespace memoir::graph
