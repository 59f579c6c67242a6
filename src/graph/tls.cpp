#include "graph/tls.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <stdexcept>

#include "base/failure.hpp"

namespace memoir::graph {
namespace {

Failure blocked(std::string reason, std::string hint) {
    Failure failure(FailureType::blocked, std::move(reason));
    failure.hint = std::move(hint);
    return failure;
}

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> bytes;
    return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// OpenSSL's macro of this name casts as C does.
bool set_server_name(SSL* session, const std::string& host) {
    return SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    const_cast<char*>(host.c_str())) == 1;
}

Failure untrusted(long verdict) {
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return blocked("the certificate of the graph's server is for another host",
                       "write the host in graph.url as the certificate names it");
    // OpenSSL's own text, which quotes nothing of the certificate.
    return blocked("the certificate of the graph's server is not trusted: " +
                       std::string(X509_verify_cert_error_string(verdict)),
                   "set graph.ca_file to the certificate of the CA that signed it");
}

// Records that begin like none of TLS: OpenSSL names them by what it took their first bytes for.
bool no_tls(int reason) {
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
           reason == SSL_R_HTTP_REQUEST || reason == SSL_R_BAD_RECORD_TYPE;
}

// Alerts of a server that wants a client's certificate; the last is all that TLS 1.2 has for it.
bool asks_for_certificate(int reason) {
    return reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED || reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE ||
           reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE;
}

}  // namespace

Tls::Tls(const std::string& host, const std::string& ca_file)
    : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free), session_(nullptr, &SSL_free) {
    ERR_clear_error();
    if (!context_) throw std::runtime_error("OpenSSL makes no TLS context");
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    const bool trusting = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context_.get()) == 1
                                          : SSL_CTX_load_verify_file(context_.get(), ca_file.c_str()) == 1;
    if (!trusting)
        throw blocked("graph.ca_file holds no certificate that can be used",
                      "it has to be a PEM file that memoird's user may read");
    session_.reset(SSL_new(context_.get()));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    if (!session_ || in_ == nullptr || out_ == nullptr) {
        BIO_free(in_);
        BIO_free(out_);
        throw std::runtime_error("OpenSSL makes no TLS session");
    }
    SSL_set_bio(session_.get(), in_, out_);
    SSL_set_connect_state(session_.get());
    // A server name is sent for names alone (RFC 6066); an address is compared with those in the certificate.
    const bool named =
        is_address(host)
            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_.get()), host.c_str()) == 1
            : SSL_set1_host(session_.get(), host.c_str()) == 1 && set_server_name(session_.get(), host);
    if (!named) throw blocked("graph.url names a host that TLS cannot verify", "write rediss://HOST:PORT");
}

Tls::~Tls() = default;

bool Tls::handshake() {
    ERR_clear_error();
    const int result = SSL_do_handshake(session_.get());
    if (result == 1) return open_ = true;
    if (SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ) fail(result);
    return false;
}

void Tls::write(std::string_view text) {
    // The memory it writes to takes everything, so that it is never in part.
    std::size_t written = 0;
    ERR_clear_error();
    const int result = text.empty() ? 1 : SSL_write_ex(session_.get(), text.data(), text.size(), &written);
    if (result != 1) fail(result);
}

std::size_t Tls::read(std::span<char> into) {
    std::size_t count = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(session_.get(), into.data(), into.size(), &count);
    if (result == 1) {
        heard_ = true;
        return count;
    }
    if (SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ) fail(result);
    return 0;
}

void Tls::received(std::string_view bytes) {
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
}

std::string Tls::to_send() {
    std::string bytes(BIO_ctrl_pending(out_), '\0');
    if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
}

void Tls::fail(int result) {
    const bool orderly = SSL_get_error(session_.get(), result) == SSL_ERROR_ZERO_RETURN;
    const int reason = orderly ? 0 : ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
    if (const long verdict = SSL_get_verify_result(session_.get()); verdict != X509_V_OK)
        throw untrusted(verdict);
    if (asks_for_certificate(reason))
        throw blocked("the graph's server refuses the TLS handshake: it may want a client certificate",
                      "memoird presents none: say tls-auth-clients no in the server's configuration");
    if (!open_ && no_tls(reason))
        throw blocked("the graph's server speaks no TLS",
                      "write redis:// in graph.url, or name the server's TLS port");
    throw cut();
}

Failure Tls::cut() const {
    if (!open_) return {FailureType::ambiguous, "the TLS handshake with the graph's server was cut"};
    // With TLS 1.3 the handshake is over before the server looks for a certificate, and what it says about it
    // can be lost with the connection.
    if (!heard_)
        return {FailureType::ambiguous,
                "the graph's server closed the connection after the TLS handshake: it may want a client "
                "certificate"};
    return {FailureType::ambiguous, "the connection to the graph was cut"};
}

}  // namespace memoir::graph
