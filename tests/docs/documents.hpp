#pragma once
// The documents, written into a folder of the test.

#include <filesystem>
#include <fstream>

#include "docs/program.hpp"
#include "support/guarded.hpp"

namespace memoir::test {

class Documents {
  public:
    Documents() : folder_(temporary_directory("docs")) {
        for (const auto& document : docs::all_documents()) {
            std::filesystem::create_directories(std::filesystem::path(path(document.path)).parent_path());
            std::ofstream(path(document.path), std::ios::binary) << document.text;
        }
    }
    ~Documents() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Documents(const Documents&) = delete;
    Documents& operator=(const Documents&) = delete;
    std::string path(const std::string& document) const { return folder_ + "/" + document; }

  private:
    std::string folder_;
};

inline bool installed(const std::string& program) {
    for (const char* folder : {"/usr/bin/", "/bin/", "/usr/local/bin/"})
        if (std::filesystem::exists(folder + program)) return true;
    return false;
}

}  // namespace memoir::test
