// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <linux/posix_acl_xattr.h>
#include <linux/posix_acl.h>
#include <sys/xattr.h>

#include "keeper/access.h"

int access_allow_user(int directory, uid_t uid)
{
	const uint16_t search = ACL_READ | ACL_EXECUTE;
	const uint32_t none = (uint32_t)ACL_UNDEFINED_ID;
	struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[5];
	} list = {
		.header = { htole32(POSIX_ACL_XATTR_VERSION) },
		.entries = {
			{ htole16(ACL_USER_OBJ), htole16(ACL_READ | ACL_WRITE | ACL_EXECUTE),
			  htole32(none) },
			{ htole16(ACL_USER), htole16(search), htole32(uid) },
			{ htole16(ACL_GROUP_OBJ), 0, htole32(none) },
			{ htole16(ACL_MASK), htole16(search), htole32(none) },
			{ htole16(ACL_OTHER), 0, htole32(none) },
		},
	};

	if (uid == 0 ||
	    fsetxattr(directory, "system.posix_acl_access", &list, sizeof(list), 0) == 0)
		return 0;
	return errno == EOPNOTSUPP ? 0 : -errno;
}
