// The operator's tool. Everything is in ctl/.
#include <iostream>

#include "ctl/cli.hpp"

int main(int argc, char** argv) {
    return memoir::ctl::run({argv + 1, argv + argc}, std::cout, std::cerr);
}
