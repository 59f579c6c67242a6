#include "base/random_id.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace memoir {
namespace {

void fill_random(void* bytes, std::size_t count) {
    auto* at = static_cast<unsigned char*>(bytes);
    while (count > 0) {
        const ssize_t got = getrandom(at, count, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
        at += got;
        count -= static_cast<std::size_t>(got);
    }
}

}  // namespace

std::string random_pid() {
    // 64 letters: the low six bits of a random byte are uniform.
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    static_assert(alphabet.size() == 64);
    std::array<unsigned char, 21> bytes{};
    fill_random(bytes.data(), bytes.size());
    std::string id;
    for (const unsigned char byte : bytes) id += alphabet[byte & 63U];
    return id;
}

std::string random_nonce() {
    constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::uint64_t value = 0;
    fill_random(&value, sizeof value);
    std::string id;
    for (int i = 0; i < 12; ++i) {
        id += alphabet[value % alphabet.size()];
        value /= alphabet.size();
    }
    return id;
}

double random_unit() {
    std::uint64_t value = 0;
    fill_random(&value, sizeof value);
    return static_cast<double>(value >> 11) * 0x1.0p-53;
}

}  // namespace memoir
