// The same of a listener.
// at most 8 lines
#include <bight/bight.hpp>
#include <bight/io/address.hpp>

void listens(const bight::address& at) {
#ifdef MISTAKE
    bight::listener l = bight::listen(at);  // says: an address is
#else
    bight::listener l = bight::listen("tcp:" + at.to_string());
#endif
    l.close();
}
