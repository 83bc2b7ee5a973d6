/* SPDX-License-Identifier: Apache-2.0 */
#include "server/join.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kv_status read_token(const char *path, char ret[TOKEN_SIZE_MAX + 1], struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	if (fd < 0 || fstat(fd, &about) != 0) {
		int failed = errno;
		if (fd >= 0)
			close(fd);
		return error_set(err, KV_IO, "join.token_file %.150s cannot be read: %s", path, strerror(failed));
	}
	char text[TOKEN_SIZE_MAX + 2];
	ssize_t size = read(fd, text, sizeof text);
	close(fd);
	if (about.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(
			err, KV_REFUSED,
			"join.token_file %.150s is open to others; allow it to its owner alone (chmod 600)", path);
	while (size > 0 && isspace((unsigned char)text[size - 1]))
		size--;
	if (size <= 0 || size > (ssize_t)TOKEN_SIZE_MAX || memchr(text, '\0', (size_t)size))
		return error_set(err, KV_INVALID,
				 "join.token_file %.150s holds no token; write what kvctl cluster token printed",
				 path);
	memcpy(ret, text, (size_t)size);
	ret[size] = '\0';
	return KV_OK;
}

void join_take_seeds(const struct config *config, struct join *ret)
{
	*ret = (struct join){0};
	struct slice one;
	for (const char *at = config->join_seeds; config_address_next(&at, &one);) {
		KV_ASSERT(ret->seed_count < JOIN_SEEDS_MAX); /* the configuration was checked */
		ret->seeds[ret->seed_count++] = one;
	}
}

enum kv_status join_load_token(const struct config *config, struct join *ret, struct error *err)
{
	if (config->join_token_file[0] == '\0')
		return KV_OK;
	return read_token(config->join_token_file, ret->token, err);
}
