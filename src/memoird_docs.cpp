// Run by the build alone: writes man pages and completions into the folder that it is given.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "docs/program.hpp"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: memoird-docs FOLDER\n";
        return 64;
    }
    for (const auto& document : memoir::docs::all_documents()) {
        const auto path = std::filesystem::path(argv[1]) / document.path;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream file(path, std::ios::binary);
        file << document.text;
        if (!file.flush()) {
            std::cerr << "memoird-docs: cannot write " << path.string() << '\n';
            return 1;
        }
    }
    return 0;
}
