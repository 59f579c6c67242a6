#include "base/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <new>

namespace memoir {

std::string sha256(std::string_view text) {
    std::array<unsigned char, 32> digest;
    // Fails only without memory: the algorithm is part of every build of libcrypto.
    if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw std::bad_alloc();
    static constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    for (const auto byte : digest) {
        hex += digits[byte >> 4];
        hex += digits[byte & 15];
    }
    return hex;
}

}  // namespace memoir
